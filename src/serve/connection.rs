//! Connections: accepted while there is room, with TLS if it is set, each a task. A client that does not say what it wants
//! in time, or says too much at once, is cut off.
//!
//! Once the server ends, no connection is accepted any more; those that are open end after the answer they are at.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower_service::Service;

use super::access::Access;
use super::limits::{Limit, Limits};
use super::traffic::Traffic;

/// The address of the client, in the extensions of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// How long to wait if the process has no room for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What a client hears if there are too many.
const FULL: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n",
    "connection: close\r\n\r\n",
    r#"{"type":"about:blank","title":"Service Unavailable","status":503,"#,
    r#""detail":"too many connections are open; come back, or raise the limit 'connections'"}"#,
);

/// Serves until `closing` is true, and then until all connections have ended.
pub(super) async fn serve(
    listener: TcpListener,
    access: &Access,
    traffic: &Arc<Traffic>,
    router: Router,
    mut closing: watch::Receiver<bool>,
) -> io::Result<()> {
    let places = access.limits.size(Limit::Connections).min(Semaphore::MAX_PERMITS);
    traffic.connections_capacity.set(i64::try_from(places).unwrap_or(i64::MAX));
    let room = Arc::new(Semaphore::new(places));
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
        let Ok(place) = room.clone().try_acquire_owned() else {
            traffic.refuse("connections", &peer);
            open.spawn(refuse(stream, access.tls.is_none()));
            continue;
        };
        let (access, router, closing) = (access.clone(), router.clone(), closing.clone());
        let here = traffic.connection();
        open.spawn(async move {
            let _place = (place, here);
            connect(stream, peer, &access, router, closing).await;
        });
    }
    drop(listener);
    while open.join_next().await.is_some() {}
    Ok(())
}

async fn refuse(mut stream: TcpStream, plain: bool) {
    if plain {
        // A client that does not listen learns it by the end of the connection.
        let _ = tokio::time::timeout(PAUSE, stream.write_all(FULL.as_bytes())).await;
        let _ = stream.shutdown().await;
    }
}

async fn connect(stream: TcpStream, peer: SocketAddr, access: &Access, router: Router, closing: watch::Receiver<bool>) {
    // Without it small answers may wait for those before to be acknowledged.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &access.tls else { return speak(stream, peer, &access.limits, router, closing).await };
    let patience = access.limits.time(Limit::HeadTime);
    match tokio::time::timeout(patience, tls.0.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, &access.limits, router, closing).await,
        Ok(Err(error)) => tracing::debug!("no TLS with {peer}: {error}"),
        Err(_) => tracing::debug!("no TLS with {peer} in time"),
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    limits: &Limits,
    router: Router,
    mut closing: watch::Receiver<bool>,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        let mut router = router.clone();
        async move {
            Ok::<_, Infallible>(match router.call(request).await {
                Ok(response) => response,
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.time(Limit::HeadTime))
        .max_buf_size(limits.size(Limit::Head))
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closed(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("the connection with {peer} broke: {error}");
    }
}

/// Waits until it is true, or nobody can say so any more.
async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}
