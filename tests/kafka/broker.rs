//! A broker of Apache Kafka that tests start, and what they write to it.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use highwater::Highwater;
use highwater_kafka::rdkafka::ClientConfig;
use highwater_kafka::rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use highwater_kafka::rdkafka::client::DefaultClientContext;
use highwater_kafka::rdkafka::message::{Header, OwnedHeaders};
use highwater_kafka::rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A broker, which ends with the process that started it.
pub(crate) struct Broker {
    folder: tempfile::TempDir,
    ports: [u16; 3],
    running: Option<Child>,
}

/// The archives of Java that `tests/kafka/get` brings; none if they are not there.
fn libs() -> Option<PathBuf> {
    let named = std::env::var_os("HIGHWATER_KAFKA").map(PathBuf::from);
    let libs = named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/kafka/libs"));
    if libs.is_dir() {
        return Some(libs);
    }
    assert!(std::env::var_os("CI").is_none(), "there is no broker: tests/kafka/get brings it");
    eprintln!("left out: there is no broker; tests/kafka/get brings it");
    None
}

/// The broker of all tests that leave it as it is; none if there is none to be had.
pub(crate) fn broker() -> Option<&'static Broker> {
    static BROKER: OnceLock<Option<Broker>> = OnceLock::new();
    BROKER.get_or_init(Broker::start).as_ref()
}

impl Broker {
    pub(crate) fn start() -> Option<Broker> {
        libs()?;
        let free: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports = std::array::from_fn(|at| free[at].local_addr().unwrap().port());
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let [plain, login, controller] = ports;
        let settings = format!(
            "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},LOGIN://127.0.0.1:{login},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},LOGIN://127.0.0.1:{login}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,LOGIN:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_ann=\"secret\";
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.enable=false
",
            folder.path().join("log").display()
        );
        fs::write(folder.path().join("s.properties"), settings).unwrap();
        let mut broker = Broker { folder, ports, running: None };
        let format = ["kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", "s.properties"];
        let formatted = broker.java(&format).output().unwrap();
        assert!(formatted.status.success(), "{}", String::from_utf8_lossy(&formatted.stderr));
        broker.run();
        Some(broker)
    }

    fn java(&self, args: &[&str]) -> Command {
        let mut command = Command::new("java");
        command.current_dir(self.folder.path()).args(["-Xmx384m", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(libs().unwrap().join("*")).args(args);
        command
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("out")).unwrap();
        let java = self.java(&["kafka.Kafka", "s.properties"]);
        // It ends when nobody holds its standard input any more: whatever becomes of the tests, no broker stays.
        let mut shell = Command::new("bash");
        shell.args(["-c", "\"$@\" < /dev/null & it=$!; trap 'kill -9 $it' EXIT; read -r; kill -9 $it", "broker"]);
        shell.arg(java.get_program()).args(java.get_args()).current_dir(self.folder.path());
        shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(shell.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        let client: BaseProducer = self.config().create().unwrap();
        while client.client().fetch_metadata(None, Duration::from_secs(1)).is_err() {
            let said = || fs::read_to_string(self.folder.path().join("out")).unwrap_or_default();
            assert!(Instant::now() < until, "the broker did not start:\n{}", said());
        }
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut shell) = self.running.take() {
            drop(shell.stdin.take());
            shell.wait().unwrap();
        }
    }

    pub(crate) fn servers(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Where one has to log in, as ann with the password secret.
    pub(crate) fn guarded(&self) -> String {
        format!("127.0.0.1:{}", self.ports[1])
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.servers()).set("linger.ms", "1").set("partitioner", "murmur2_random");
        config
    }

    /// A topic of its own with so many partitions, whose name begins so.
    pub(crate) fn topic(&self, name: &str, partitions: i32) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{name}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.create(&name, partitions);
        name
    }

    pub(crate) fn create(&self, name: &str, partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = runtime.block_on(admin.create_topics([&topic], &options)).unwrap();
        made.into_iter().for_each(|made| drop(made.unwrap()));
    }

    pub(crate) fn producer(&self) -> BaseProducer {
        self.config().create().unwrap()
    }

    /// One whose messages are in transactions.
    pub(crate) fn transactions(&self, id: &str) -> BaseProducer {
        let producer: BaseProducer = self.config().set("transactional.id", id).create().unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer
    }

    /// Writes values to a partition.
    pub(crate) fn write<'a>(&self, topic: &str, partition: i32, values: impl IntoIterator<Item = &'a str>) {
        let producer = self.producer();
        values
            .into_iter()
            .for_each(|value| send(&producer, &Sent { value: Some(value), ..Sent::to(topic, partition) }));
        producer.flush(PATIENCE).unwrap();
    }

    /// The first lines of a source of this broker: `CREATE SOURCE name (columns) WITH (... , options)`.
    pub(crate) fn source(&self, name: &str, columns: &str, options: &str) -> String {
        let servers = self.servers();
        let with = format!("'connector' = 'kafka', 'properties.bootstrap.servers' = '{servers}', {options}");
        format!("CREATE SOURCE {name} ({columns}) WITH ({with});\n")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message.
#[derive(Clone)]
pub(crate) struct Sent<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) key: Option<&'a str>,
    pub(crate) value: Option<&'a str>,
    pub(crate) at_ms: Option<i64>,
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

impl<'a> Sent<'a> {
    pub(crate) fn to(topic: &'a str, partition: i32) -> Sent<'a> {
        Sent { topic, partition, key: None, value: None, at_ms: None, headers: &[] }
    }
}

pub(crate) fn send(producer: &BaseProducer, sent: &Sent<'_>) {
    loop {
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to(sent.topic).partition(sent.partition);
        record.key = sent.key;
        record.payload = sent.value;
        record.timestamp = sent.at_ms;
        if !sent.headers.is_empty() {
            let headers = sent
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(*value) }));
            record = record.headers(headers);
        }
        if producer.send(record).is_ok() {
            producer.poll(Duration::ZERO);
            return;
        }
        // Its queue is full.
        producer.poll(Duration::from_millis(10));
    }
}

/// Runs a program with an end to it.
pub(crate) fn run(program: &str) -> Highwater {
    run_with(program, 1)
}

pub(crate) fn run_with(program: &str, workers: usize) -> Highwater {
    let running = Highwater::builder().sql(program).workers(workers).start().unwrap();
    let summary = running.finished_within(PATIENCE).unwrap();
    assert!(summary.is_some(), "it did not end");
    running
}

/// Why a program does not start.
pub(crate) fn refused(program: &str) -> String {
    match Highwater::builder().sql(program).start() {
        Ok(_) => panic!("it starts: {program}"),
        Err(error) => error.to_string(),
    }
}

/// The rows of a view as text, sorted.
pub(crate) fn rows(running: &Highwater, view: &str) -> Vec<String> {
    let json: serde_json::Value = serde_json::from_str(&running.view(view).unwrap().json()).unwrap();
    let mut rows: Vec<String> = json.as_array().unwrap().iter().map(ToString::to_string).collect();
    rows.sort();
    rows
}

/// The dead letters of a source: where, why, what it was.
pub(crate) fn letters(running: &Highwater, source: &str) -> Vec<(String, String, String)> {
    let found = running.engine().sources().iter().find(|found| found.name() == source).unwrap().dead_letters(1000);
    let mut letters: Vec<_> =
        found.into_iter().map(|letter| (letter.position, letter.detail, letter.content)).collect();
    letters.sort();
    letters
}

pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it did not come to this: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
