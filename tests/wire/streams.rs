//! Watches over the wire: the process lists and watches through the real client and `Stores::watch`, and here stands the other end of its
//! streams, where they can be disturbed.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    body::{Body as Streamed, Bytes},
    http::{Request, Response},
};
use kube::{Client, client::Body};
use serde_json::{Value, json};
use stackgate::queue::Kind;
use stackgate_sim::world::ObjectKey;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    api_server::{failure, listed, watched_kind},
    ground::Ground,
    objects::{kind_of, to_json},
    site::Site,
};

/// How long a request takes to get there, and its answer to come back: by the paused clock of the run, so that nobody waits for it and
/// what happens meanwhile is the same each time.
const WAY: Duration = Duration::from_millis(20);

/// What befalls an event on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Trouble {
    /// Nothing.
    None,
    /// It comes twice.
    Twice,
    /// A bookmark comes before it.
    Bookmark,
    /// It comes in three pieces.
    InPieces,
    /// The stream ends before it.
    Ends,
    /// The stream ends in the middle of it.
    CutOff,
    /// The connection breaks in the middle of it.
    Breaks,
    /// 410 Gone comes instead, and the stream ends.
    Gone,
    /// The stream ends before it, and whoever asks to go on from there is told 410 Gone.
    Expires,
}

impl Trouble {
    /// All that there is.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Twice,
        Self::Bookmark,
        Self::InPieces,
        Self::Ends,
        Self::CutOff,
        Self::Breaks,
        Self::Gone,
        Self::Expires,
    ];
}

/// Says what befalls an event, by how many came before.
pub type Line = Arc<dyn Fn(u64) -> Trouble + Send + Sync>;

type Chunk = Result<Bytes, io::Error>;

struct Happened {
    version: u64,
    key: ObjectKey,
    frame: String,
}

/// The streams of one process.
pub struct Streams {
    line: Line,
    /// All events of each kind so far, and how many of them have been on a stream.
    history: BTreeMap<Kind, (Vec<Happened>, usize)>,
    open: BTreeMap<Kind, UnboundedSender<Chunk>>,
    /// The kinds that have to be listed anew.
    expired: BTreeSet<Kind>,
    /// Events that have been sent or kept.
    count: u64,
    /// How often a kind was listed.
    pub lists: u64,
    /// What has befallen them.
    pub befallen: BTreeSet<Trouble>,
}

/// Streams that a process and the API server share.
pub type Shared = Arc<Mutex<Streams>>;

impl Streams {
    /// None is open yet.
    pub fn new(line: Line) -> Shared {
        Arc::new(Mutex::new(Self {
            line,
            history: BTreeMap::new(),
            open: BTreeMap::new(),
            expired: BTreeSet::new(),
            count: 0,
            lists: 0,
            befallen: BTreeSet::new(),
        }))
    }

    /// What has happened since the last time goes on its way.
    pub fn send(&mut self, ground: &mut Ground) {
        self.record(ground);
        Kind::ALL.into_iter().for_each(|kind| self.go_on(ground, kind));
    }

    fn record(&mut self, ground: &mut Ground) {
        let cluster = &mut ground.world.cluster;
        let view = &cluster.views[0];
        let mut new = Vec::new();
        for (key, queue) in &view.late {
            let (all, sent) = self.history.entry(kind_of(key)).or_default();
            let known = all[*sent..].iter().filter(|h| h.key == *key).count();
            let mut last = view.seen.0.get(key);
            for (place, event) in queue.iter().enumerate() {
                let (kind, object) =
                    if event.is_some() { ("MODIFIED", event.as_ref()) } else { ("DELETED", last) };
                if let (Some(object), true) = (object, place >= known) {
                    new.push((object.version().parse().unwrap(), key.clone(), kind, to_json(object)));
                }
                last = event.as_ref();
            }
        }
        // A deletion has a version of its own.
        new.sort_by_key(|(version, _, kind, _): &(u64, _, _, _)| (*version, *kind == "DELETED"));
        for (mut version, key, kind, mut object) in new {
            if kind == "DELETED" {
                cluster.version += 1;
                version = cluster.version;
                object["metadata"]["resourceVersion"] = json!(version.to_string());
            }
            let frame = format!("{}\n", json!({"type": kind, "object": object}));
            self.history.entry(kind_of(&key)).or_default().0.push(Happened { version, key, frame });
        }
    }

    /// Sends what a kind has not had on any stream, as far as the stream lasts.
    fn go_on(&mut self, ground: &mut Ground, kind: Kind) {
        loop {
            let Some(stream) = self.open.get(&kind).filter(|stream| !stream.is_closed()) else { return };
            let (all, sent) = self.history.entry(kind).or_default();
            let Some(Happened { version, key, frame }) = all.get(*sent) else { return };
            let trouble = (self.line)(self.count);
            self.count += 1;
            self.befallen.insert(trouble);
            let put = |text: &str| stream.send(Ok(Bytes::from(text.to_owned()))).unwrap();
            let (half, rest) = frame.split_at(frame.len() / 2);
            match trouble {
                Trouble::None => put(frame),
                Trouble::Twice => put(&frame.repeat(2)),
                Trouble::Bookmark => {
                    let before = version - 1;
                    let text = json!({"type": "BOOKMARK", "object": {"kind": kind.as_str(),
                        "apiVersion": "stackgate.dev/v1alpha1", "metadata": {"resourceVersion": before.to_string()}}});
                    put(&format!("{text}\n{frame}"));
                }
                Trouble::InPieces => {
                    let (a, b) = half.split_at(half.len() / 2);
                    [a, b, rest].into_iter().for_each(put);
                }
                Trouble::Ends => {}
                Trouble::Expires => self.expired.extend([kind]),
                Trouble::CutOff => put(half),
                Trouble::Breaks => {
                    put(half);
                    let _ =
                        stream.send(Err(io::Error::new(io::ErrorKind::ConnectionReset, "by the weather")));
                }
                Trouble::Gone => {
                    let (_, status) = failure(410, "Expired", "too old resource version");
                    put(&format!("{}\n", json!({"type": "ERROR", "object": status})));
                }
            }
            if trouble >= Trouble::Ends {
                self.open.remove(&kind);
                return;
            }
            *sent += 1;
            ground.world.cluster.views[0].deliver(key, ground.world.now);
        }
    }

    /// A kind is listed: whatever has happened is in the list.
    fn list(&mut self, ground: &mut Ground, kind: Kind) -> Value {
        self.record(ground);
        self.lists += 1;
        self.expired.remove(&kind);
        let (all, sent) = self.history.entry(kind).or_default();
        for happened in &all[*sent..] {
            ground.world.cluster.views[0].deliver(&happened.key, ground.world.now);
        }
        *sent = all.len();
        let there: Vec<_> = {
            let objects = ground.world.cluster.objects.0.iter();
            objects.filter(|(k, _)| kind_of(k) == kind).map(|(k, o)| (k.clone(), o.clone())).collect()
        };
        // What happened before this process is in no history.
        let view = &mut ground.world.cluster.views[0];
        view.late.retain(|key, _| kind_of(key) != kind);
        view.seen.0.retain(|key, _| kind_of(key) != kind);
        view.seen.0.extend(there);
        listed(ground, kind)
    }

    /// A stream begins, after this version.
    fn watch(&mut self, ground: &mut Ground, kind: Kind, after: u64) -> UnboundedReceiver<Chunk> {
        self.record(ground);
        let (stream, end) = unbounded_channel();
        let (all, sent) = self.history.entry(kind).or_default();
        // What was on a stream before is there once more, and nothing befalls it.
        for happened in all[..*sent].iter().filter(|h| h.version > after) {
            stream.send(Ok(Bytes::from(happened.frame.clone()))).unwrap();
        }
        self.open.insert(kind, stream);
        self.go_on(ground, kind);
        end
    }
}

/// The connection for lists and watches.
pub fn client(site: &Arc<Site>, streams: &Shared) -> Client {
    let (site, streams) = (Arc::clone(site), Arc::clone(streams));
    let answer = move |request| serve(Arc::clone(&site), Arc::clone(&streams), request);
    Client::new(tower::service_fn(answer), "default")
}

async fn serve(
    site: Arc<Site>,
    streams: Shared,
    request: Request<Body>,
) -> Result<Response<Streamed>, kube::Error> {
    let kind = watched_kind(request.uri().path());
    let asked: BTreeMap<&str, &str> = request
        .uri()
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    tokio::time::sleep(WAY).await;
    let (code, body) = {
        let mut ground = site.ground();
        let mut streams = streams.lock().unwrap();
        let is_watch = asked.get("watch") == Some(&"true");
        if is_watch && streams.expired.contains(&kind) {
            let (code, status) = failure(410, "Expired", "too old resource version");
            (code, Streamed::from(status.to_string()))
        } else if is_watch {
            let after = asked["resourceVersion"].parse().unwrap();
            let end = streams.watch(&mut ground, kind, after);
            let chunks = futures::stream::unfold(end, async |mut end| Some((end.recv().await?, end)));
            (200, Streamed::from_stream(chunks))
        } else {
            (200, Streamed::from(streams.list(&mut ground, kind).to_string()))
        }
    };
    tokio::time::sleep(WAY).await;
    Ok(Response::builder().status(code).header("content-type", "application/json").body(body).unwrap())
}
