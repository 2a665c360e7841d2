//! A source that is full, and stays so: its worker is held until the test lets it go.

use std::any::Any;
use std::sync::{Condvar, Mutex};

use arrow_schema::DataType;
use datafusion_common::Result;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::*;

/// Whether rows may pass.
static OPEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

/// `held(x)`: x, once it may pass.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Held(Signature);

impl ScalarUDFImpl for Held {
    fn name(&self) -> &str {
        "held"
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (open, opened) = &OPEN;
        drop(opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Ok(args.args[0].clone())
    }
}

/// The next message of a socket that is none of those about room.
fn answered(socket: &mut Socket) -> (u8, Vec<u8>) {
    loop {
        let (code, payload) = socket.frame().unwrap();
        if code != 1 || !String::from_utf8_lossy(&payload).contains("backpressure") {
            return (code, payload);
        }
    }
}

#[test]
fn clients_of_a_full_source_are_told_when_the_engine_stops() {
    let held = ScalarUDF::new_from_impl(Held(Signature::exact(vec![DataType::Int64], Volatility::Immutable)));
    assert!((held.inner().as_ref() as &dyn Any).is::<Held>());
    let program = "CREATE SOURCE s (x BIGINT) WITH ('connector' = 'http', 'queue-rows' = '10');
        CREATE MATERIALIZED VIEW v AS SELECT held(x) AS x FROM s;";
    let catalog = Catalog::new().with_function(held).unwrap();
    let dataflow = plan(&[("full.sql".to_owned(), program.to_owned())], &catalog).unwrap();
    let config = Config::default().workers(1).with(|config| config.lag_batches = 0);
    let server = Server::start(Engine::start(dataflow, config).unwrap());
    let path = "/api/v1/sources/s/events";
    let mut socket = Socket::open(&server, "/api/v1/sources/s/ws");
    let push = || post(&server, path, "", b"[{\"x\":1},{\"x\":2},{\"x\":3},{\"x\":4}]");
    let mut accepted = 0;
    // The worker takes some and is held; what comes then fills the queue, once and for all.
    let full = (0..1000).find_map(|_| match push() {
        (202, _, answer) => {
            accepted += answer["accepted"].as_u64().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            None
        }
        (status, head, answer) => Some((status, head, answer)),
    });
    let (status, head, answer) = full.expect("room for ten rows");
    assert_eq!((status, head.contains("retry-after: 1")), (429, true), "{answer}");
    for _ in 0..3 {
        assert_eq!(push().0, 429, "it stays full");
    }
    // A frame that waits for room.
    socket.text("[{\"x\":5},{\"x\":6},{\"x\":7},{\"x\":8}]");
    let told = socket.read();
    assert_eq!(told["type"], "backpressure", "{told}");

    server.engine.stop(false);
    let (code, payload) = answered(&mut socket);
    assert_eq!((code, &payload[..2]), (8, &1001_u16.to_be_bytes()[..]), "{}", String::from_utf8_lossy(&payload));
    assert!(String::from_utf8_lossy(&payload[2..]).contains("takes no more events"));
    let (status, _, answer) = push();
    assert_eq!(status, 503, "{answer}");
    assert!(answer["detail"].as_str().unwrap_or_default().contains("takes nothing more"), "{answer}");

    let (open, opened) = &OPEN;
    *open.lock().unwrap() = true;
    opened.notify_all();
    server.finish();
    // All that was acknowledged is there, and nothing else.
    assert_eq!(server.engine.views().get("v").unwrap().snapshot().batch.num_rows() as u64, accepted);
}
