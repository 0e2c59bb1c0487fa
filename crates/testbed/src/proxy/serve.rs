//! The wire: takes requests on TLS, passes them on with the same host, headers and bytes, and lets the rules act.

use std::{error::Error, future::poll_fn, io, sync::Arc, time::Duration};

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
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
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
        Box::pin(async move { answer(request, state).await })
    });
    let mut connection =
        http1::Builder::new().preserve_header_case(true).serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    match ended {
        Ok(()) => stream.shutdown().await?,
        // Closed with nothing more to say, it is closed by a reset.
        Err(error) if is_reset(&error) => stream.get_ref().0.set_zero_linger()?,
        Err(_) => {} // dropped: closed as it is
    }
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
            Before::End(how) => Err(how),
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
    End(io::Error),
    Answer(Response<Body>),
}

async fn before(rule: Option<&RuleHandle>) -> Before {
    let Some(rule) = rule else { return Before::Forward };
    match rule.fault() {
        Fault::Refuse => Before::End(closed()),
        Fault::Reset => Before::End(reset()),
        Fault::Answer { status, body } => Before::Answer(own(*status, body)),
        Fault::HoldRequest(hold) => {
            rule.held(*hold).await;
            Before::Forward
        }
        Fault::DropReply | Fault::ResetReply | Fault::ReplaceReply { .. } | Fault::HoldReply(_) => {
            Before::Forward
        }
    }
}

async fn after(rule: Option<&RuleHandle>, reply: Response<Body>) -> io::Result<Response<Body>> {
    let Some(rule) = rule else { return Ok(reply) };
    match rule.fault() {
        Fault::DropReply => Err(closed()),
        Fault::ResetReply => Err(reset()),
        Fault::ReplaceReply { status, body } => Ok(own(*status, body)),
        Fault::HoldReply(hold) => {
            rule.held(*hold).await;
            Ok(reply)
        }
        Fault::Refuse | Fault::Reset | Fault::Answer { .. } | Fault::HoldRequest(_) => Ok(reply),
    }
}

fn own(status: u16, body: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_owned())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let kind = if body.trim_start().starts_with('{') { "application/x-amz-json-1.1" } else { "text/xml" };
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    response
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by a rule of the proxy")
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "reset by a rule of the proxy")
}

/// Whether an error of a connection is a reset that a rule asked for.
fn is_reset(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{ErrorKind, Read, Write},
        net::IpAddr,
    };

    use anyhow::Result;
    use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

    use super::*;
    use crate::{Proxy, Rule, Upstream, certificate, fresh_dir};

    #[test]
    fn a_client_can_tell_a_reset_from_an_end() -> Result<()> {
        let dir = fresh_dir("reset")?;
        // Nobody is behind it: neither fault needs anybody.
        let nobody = certificate::Certificate::write(&dir, "nobody")?;
        let upstream = Upstream { host_and_port: "127.0.0.1:1".to_owned(), authority: nobody.authority };
        let proxy = Proxy::start(&dir, upstream)?;
        let port: u16 = proxy.endpoint().rsplit(':').next().unwrap_or_default().parse()?;
        for (fault, kind) in
            [(Fault::Reset, ErrorKind::ConnectionReset), (Fault::Refuse, ErrorKind::UnexpectedEof)]
        {
            proxy.rule(Rule::on_any(fault));
            let tls = Arc::new(certificate::client_trusting(proxy.bundle())?);
            let name = ServerName::from(IpAddr::from([127, 0, 0, 1]));
            let tcp = std::net::TcpStream::connect(("127.0.0.1", port))?;
            let mut stream = StreamOwned::new(ClientConnection::new(tls, name)?, tcp);
            stream.write_all(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n")?;
            assert_eq!(stream.read(&mut [0]).map_err(|error| error.kind()), Err(kind));
        }
        Ok(())
    }
}
