//! Connections: accepted while there is room, with TLS if it is set, each a task. A client that does not say what it wants
//! in time, or says too much at once, is cut off.
//!
//! Once the server ends, no connection is accepted any more; those that are open end after the answer they are at.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service;

use super::access::Access;
use super::half_close;
use super::limits::{Limit, Limits};
use super::paced::{Admission, Paced};
use super::problem::Problem;
use super::quiet::{Quiet, Quieter};
use super::traffic::Traffic;
use super::turns::Turns;
use highwater_core::metrics::Usage;

/// The address of the client, in the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// How long to wait if the process has no room for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Descriptors that are kept for what is opened now and then: programs, certificates, `/proc`, refusals.
const SPARE: usize = 64;
/// How long a place takes to become free once somebody was told to leave it.
const FREED: Duration = Duration::from_secs(1);
/// Bytes beyond those under way to a client that the kernel holds for it; it would hold megabytes.
const UNSENT: u32 = 128 << 10;
/// Clients at a time that are told why they are refused; further ones are cut off.
const REFUSED_MAX: usize = 16;

/// How long one of those has to say what it wants.
const HEARD: Duration = Duration::from_millis(500);

/// How long one that has not said anything yet has for it once the server ends.
const FRESH: Duration = Duration::from_millis(100);

/// How many connections may be open: the limit, less if the process may not have so many descriptors. Its engine keeps those
/// for `files`.
pub(super) fn places(access: &Access, files: usize) -> usize {
    let wanted = access.limits.size(Limit::Connections).min(Semaphore::MAX_PERMITS);
    let Usage { open_fds: Some(open), max_fds: Some(most), .. } = Usage::read() else { return wanted };
    let free = (most - open) as usize;
    let places = wanted.min(free.saturating_sub(files + SPARE).max(free / 4)).max(1);
    if places < wanted {
        tracing::warn!(
            "{places} connections instead of {wanted}: the process may have {most} files open, and needs its own"
        );
    }
    places
}

/// Serves until `closing` is true, and then until all connections have ended.
pub(super) async fn serve(
    listener: TcpListener,
    access: &Access,
    places: usize,
    traffic: &Arc<Traffic>,
    router: Router,
    mut closing: watch::Receiver<bool>,
) -> io::Result<()> {
    traffic.connections_capacity.set(i64::try_from(places).unwrap_or(i64::MAX));
    let (mut quieter, turns) = (Quieter::default(), Turns::new());
    let (room, refusing) = (Arc::new(Semaphore::new(places)), Arc::new(Semaphore::new(REFUSED_MAX)));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            () = closed(&mut closing) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // The client went away, or the process has too many files open: neither ends the server.
                traffic.refuse("descriptors", &format_args!("a connection ({error})"));
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let place = match room.clone().try_acquire_owned() {
            Ok(place) => Some(place),
            // A silent one makes room.
            Err(_) => match quieter.make_room() {
                Some(spoke) => {
                    if !spoke {
                        traffic.refuse("slow_head", &"a silent connection");
                    }
                    None
                }
                None => {
                    match refusing.clone().try_acquire_owned() {
                        Ok(place) => {
                            let (access, router, traffic) = (access.clone(), router.clone(), traffic.clone());
                            open.spawn(async move {
                                refuse(stream, peer, &access, router, &traffic).await;
                                drop(place);
                            });
                        }
                        Err(_) => traffic.refuse("connections", &peer),
                    }
                    continue;
                }
            },
        };
        let client = Client { peer, traffic: traffic.clone(), turns: turns.clone(), quiet: quieter.comes() };
        let (access, router, closing) = (access.clone(), router.clone(), closing.clone());
        let (here, room) = (traffic.connection(), room.clone());
        open.spawn(async move {
            let freed = async { timeout(FREED, room.acquire_owned()).await.ok()?.ok() };
            let place = match place {
                Some(place) => Some(place),
                None => freed.await,
            };
            match place {
                Some(place) => connect(stream, client, (place, here), &access, router, closing).await,
                None => refuse(stream, client.peer, &access, router, &client.traffic).await,
            }
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
    Ok(())
}

/// Answers the probes of supervisors, who would otherwise end a server that is merely full, and refuses everything else.
async fn refuse(stream: TcpStream, peer: SocketAddr, access: &Access, router: Router, traffic: &Traffic) {
    let probed = AtomicBool::new(false);
    let answered = async {
        match &access.tls {
            None => answer_probe(stream, router, &probed).await,
            Some(tls) => {
                if let Ok(stream) = tls.acceptor().accept(stream).await {
                    answer_probe(stream, router, &probed).await;
                }
            }
        }
    };
    // A client that says nothing learns it by the end of the connection.
    let _ = timeout(HEARD, answered).await;
    if !probed.load(Ordering::Relaxed) {
        traffic.refuse("connections", &peer);
    }
}

async fn answer_probe<S: half_close::Client>(stream: S, router: Router, probed: &AtomicBool) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move {
            if !matches!(request.uri().path(), "/livez" | "/readyz") {
                let detail = "too many connections are open; come back, or raise the limit 'connections'";
                let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
                return Ok(problem.with(header::RETRY_AFTER, HeaderValue::from_static("1")).into_response());
            }
            probed.store(true, Ordering::Relaxed);
            router.call(request).await
        }
    });
    drop(http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await);
}

/// Who is connected.
struct Client {
    peer: SocketAddr,
    traffic: Arc<Traffic>,
    turns: Turns,
    quiet: Arc<Quiet>,
}

impl Client {
    fn paced<S>(&self, stream: S, limits: &Limits, admission: Admission) -> Paced<S> {
        Paced::new(stream, limits, (self.peer, admission), (&self.traffic, &self.turns))
    }
}

async fn connect(
    stream: TcpStream,
    client: Client,
    admission: Admission,
    access: &Access,
    router: Router,
    closing: watch::Receiver<bool>,
) {
    // Without it small answers may wait for those before to be acknowledged.
    let _ = stream.set_nodelay(true);
    // What a client does not take waits here, not in the kernel: the same at any speed, and how fast it takes can be seen.
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    let limits = &access.limits;
    let Client { peer, traffic, quiet, .. } = &client;
    let Some(tls) = &access.tls else {
        return speak(client.paced(stream, limits, admission), &client, limits, router, closing).await;
    };
    let shaking = timeout(limits.time(Limit::HeadTime), tls.acceptor().accept(stream));
    let shaken = tokio::select! {
        shaken = shaking => shaken,
        () = quiet.cut() => return,
    };
    match shaken {
        Ok(Ok(stream)) => speak(client.paced(stream, limits, admission), &client, limits, router, closing).await,
        Ok(Err(error)) => traffic.refuse("handshake", &format_args!("{peer} ({error})")),
        Err(_) => traffic.refuse("handshake", peer),
    }
}

async fn speak<S: half_close::Client>(
    stream: Paced<S>,
    client: &Client,
    limits: &Limits,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let Client { peer, traffic, quiet, .. } = client;
    let (ip, inflow, half_close, speaks) = (peer.ip(), stream.inflow.clone(), stream.half_close.clone(), quiet.clone());
    let (heard, begun) = (stream.heard.clone(), stream.heard.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let busy = speaks.speaks();
        heard.store(false, Ordering::Relaxed);
        request.extensions_mut().insert(Peer(ip));
        request.extensions_mut().insert(inflow.clone());
        request.extensions_mut().insert(half_close.clone());
        let mut router = router.clone();
        async move {
            Ok::<_, Infallible>(match router.call(request).await {
                Ok(response) => busy.answers(response),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Who has closed its side may still read; see `half_close`.
        .half_close(true)
        .header_read_timeout(limits.time(Limit::HeadTime))
        .max_buf_size(limits.size(Limit::Head))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = quiet.cut() => return,
        () = closed(&mut closing) => {
            // What one that has just come says may be on its way: it would be closed unheard.
            let heard = async { if quiet.spoke() { None } else { timeout(FRESH, connection.as_mut()).await.ok() } };
            match heard.await {
                Some(ended) => ended,
                None => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    let Err(error) = ended else { return };
    match () {
        // One that was kept for more requests and began none is no refusal.
        () if error.is_timeout() && (!quiet.spoke() || begun.load(Ordering::Relaxed)) => {
            traffic.refuse("slow_head", peer)
        }
        () if error.is_parse() || error.is_parse_too_large() => {
            traffic.refuse("head", &format_args!("{peer} ({error})"))
        }
        () => tracing::debug!("the connection with {peer} broke: {error}"),
    }
}

/// Waits until it is true, or nobody can say so any more.
async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}
