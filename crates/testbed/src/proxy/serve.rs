//! The wire: takes requests on TLS, passes them on with the same host, headers and bytes, and lets the rules act.

use std::{io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rustls::ClientConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{
    State,
    call::Call,
    record::Reply,
    rule::{Fault, RuleHandle},
};

type Body = Full<Bytes>;

/// To AWS. Keeps the `Host` header; repeats a request only when not a byte of it was sent.
pub(super) struct Forward {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    host_and_port: String,
}

impl Forward {
    pub(super) fn new(host_and_port: &str, tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false); // the connector around it asks for https
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .http1_preserve_header_case(true)
            .pool_idle_timeout(Duration::from_secs(20)) // well before the emulator closes it (75 s)
            .build(connector);
        Self { client, host_and_port: host_and_port.to_owned() }
    }

    /// Sends the request on, whole, and takes the whole reply.
    async fn send(&self, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = Uri::builder()
            .scheme("https")
            .authority(self.host_and_port.as_str())
            .path_and_query(path)
            .build()
            .map_err(io::Error::other)?;
        let reply = self
            .client
            .request(Request::from_parts(parts, Full::new(body)))
            .await
            .map_err(io::Error::other)?;
        let (parts, body) = reply.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(parts, body))
    }
}

/// Accepts connections for ever.
pub(super) async fn serve(listener: TcpListener, tls: TlsAcceptor, state: Arc<State>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let (tls, state) = (tls.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            // An end in disorder is the client's business, or what a rule asked for.
            let _ = connection(tcp, tls, state).await;
        });
    }
}

async fn connection(tcp: TcpStream, tls: TlsAcceptor, state: Arc<State>) -> anyhow::Result<()> {
    tcp.set_nodelay(true)?;
    let stream = tls.accept(tcp).await?;
    let service = service_fn(move |request| {
        let state = Arc::clone(&state);
        async move { answer(request, state).await }
    });
    http1::Builder::new().preserve_header_case(true).serve_connection(TokioIo::new(stream), service).await?;
    Ok(())
}

/// An error closes the connection without an answer.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut call = Call::parse(&parts.method, &parts.uri, &parts.headers, &body);
    call.account = state.records.account_of(&call.access_key_id);
    let rule = state.pick(&call);
    // From here on in a task of its own: a client that hangs up does not stop AWS either.
    let exchange = Exchange { request: Request::from_parts(parts, body), call, rule, state };
    tokio::spawn(exchange.run()).await.map_err(io::Error::other)?
}

struct Exchange {
    request: Request<Bytes>,
    call: Call,
    rule: Option<RuleHandle>,
    state: Arc<State>,
}

impl Exchange {
    async fn run(self) -> io::Result<Response<Body>> {
        let fault = self.rule.as_ref().map(RuleHandle::fault).cloned();
        let is_s3 = self.call.service == "s3";
        let number = self.state.records.arrived(self.call, fault);
        let answer = match before(self.rule.as_ref()).await {
            Before::Refuse => Err(refused()),
            Before::Answer(answer) => Ok(answer),
            Before::Forward => match self.state.forward.send(self.request).await {
                Ok(reply) => {
                    let body = if is_s3 {
                        String::new()
                    } else {
                        String::from_utf8_lossy(reply.body()).into_owned()
                    };
                    self.state.records.replied(number, Reply { status: reply.status().as_u16(), body });
                    after(self.rule.as_ref(), reply.map(Full::new)).await
                }
                Err(error) => Err(error),
            },
        };
        self.state.records.ended(number);
        answer
    }
}

enum Before {
    Forward,
    Refuse,
    Answer(Response<Body>),
}

async fn before(rule: Option<&RuleHandle>) -> Before {
    let Some(rule) = rule else { return Before::Forward };
    match rule.fault() {
        Fault::Refuse => Before::Refuse,
        Fault::Answer { status, body } => Before::Answer(own(*status, body)),
        Fault::HoldRequest(hold) => {
            rule.held(*hold).await;
            Before::Forward
        }
        Fault::DropReply | Fault::ReplaceReply { .. } | Fault::HoldReply(_) => Before::Forward,
    }
}

async fn after(rule: Option<&RuleHandle>, reply: Response<Body>) -> io::Result<Response<Body>> {
    let Some(rule) = rule else { return Ok(reply) };
    match rule.fault() {
        Fault::DropReply => Err(refused()),
        Fault::ReplaceReply { status, body } => Ok(own(*status, body)),
        Fault::HoldReply(hold) => {
            rule.held(*hold).await;
            Ok(reply)
        }
        Fault::Refuse | Fault::Answer { .. } | Fault::HoldRequest(_) => Ok(reply),
    }
}

fn own(status: u16, body: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if body.trim_start().starts_with('{') { "application/x-amz-json-1.1" } else { "text/xml" };
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    response
}

fn refused() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by a rule of the proxy")
}
