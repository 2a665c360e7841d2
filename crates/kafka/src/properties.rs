//! `properties.*`: a consumer's configuration as Java's clients write it, as librdkafka's.
//!
//! What has no counterpart is refused with what would do, never passed over. A secret is in no message.

use highwater_core::options::{OptionError, Options};
use rdkafka::ClientConfig;

use super::jaas;

/// What stands before the names.
const PREFIX: &str = "properties.";

/// Java's names of what librdkafka calls something else.
const RENAMED: &[(&str, &str)] = &[
    ("bootstrap.server", "bootstrap.servers"),
    ("fetch.max.wait.ms", "fetch.wait.max.ms"),
    ("receive.buffer.bytes", "socket.receive.buffer.bytes"),
    ("request.timeout.ms", "socket.timeout.ms"),
    ("send.buffer.bytes", "socket.send.buffer.bytes"),
    ("ssl.keystore.certificate.chain", "ssl.certificate.pem"),
    ("ssl.keystore.key", "ssl.key.pem"),
    ("ssl.truststore.certificates", "ssl.ca.pem"),
];

/// What the connector itself heeds.
const OWN: &[&str] = &[
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "enable.auto.commit",
    "group.id",
    "max.poll.records",
    "sasl.jaas.config",
    "ssl.keystore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "ssl.keystore.location",
];

/// What a client is given unless the program says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("client.id", "highwater"),
    // As Java's clients have it.
    ("isolation.level", "read_uncommitted"),
    // A queue each partition.
    ("queued.max.messages.kbytes", "16384"),
    // How soon it looks again after a queue was full, and at a broker that was away.
    ("fetch.queue.backoff.ms", "20"),
    ("reconnect.backoff.max.ms", "2000"),
    ("socket.keepalive.enable", "true"),
];

/// What the connector relies on.
const FIXED: &[(&str, &str)] = &[
    ("allow.auto.create.topics", "false"),
    ("auto.offset.reset", "error"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("enable.partition.eof", "true"),
];

/// The property of a name, if it is given.
pub(crate) fn get<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    options.get(&format!("{PREFIX}{name}"))
}

/// The refusal of a property; what says who somebody is stays where it was written.
pub(crate) fn invalid(options: &Options, name: &str, reason: impl Into<String>) -> OptionError {
    let secret =
        ["password", "jaas", "secret", "token", "ssl.key", "keystore.key"].iter().any(|word| name.contains(word));
    let value = if secret { "***" } else { get(options, name).unwrap_or_default() };
    OptionError::Invalid { name: format!("{PREFIX}{name}"), value: value.to_owned(), reason: reason.into() }
}

/// The configuration of a consumer.
pub(crate) fn config(owner: &str, options: &Options) -> Result<ClientConfig, OptionError> {
    let mut config = ClientConfig::new();
    for (name, value) in DEFAULTS {
        config.set(*name, *value);
    }
    let given = options.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    let mut servers = false;
    for (name, value) in given {
        if let Some(reason) = refused(name) {
            return Err(invalid(options, name, reason));
        }
        if OWN.contains(&name) {
            continue;
        }
        let renamed = RENAMED.iter().find(|(java, _)| *java == name).map_or(name, |(_, native)| native);
        servers |= renamed == "bootstrap.servers";
        let value = match renamed {
            "security.protocol" => value.to_ascii_lowercase(),
            "ssl.endpoint.identification.algorithm" if value.trim().is_empty() => "none".to_owned(),
            _ => value.to_owned(),
        };
        config.set(renamed, value);
        config.create_native_config().map_err(|error| invalid(options, name, reason(&error)))?;
    }
    if !servers {
        return Err(OptionError::Missing {
            name: "properties.bootstrap.servers".to_owned(),
            owner: owner.to_owned(),
            help: "addresses of brokers, as kafka-1:9092,kafka-2:9092".to_owned(),
        });
    }
    login(options, &mut config)?;
    stores(options, &mut config)?;
    secured(options, &config)?;
    for (name, value) in FIXED {
        config.set(*name, *value);
    }
    Ok(config)
}

/// What is wrong with a setting, in librdkafka's words without its name.
fn reason(error: &rdkafka::error::KafkaError) -> String {
    match error {
        rdkafka::error::KafkaError::ClientConfig(_, reason, ..) => {
            format!("{}; the names are those of Kafka's clients", reason.trim_end_matches('.'))
        }
        other => other.to_string(),
    }
}

/// Why a property is refused.
fn refused(name: &str) -> Option<&'static str> {
    match name {
        "key.deserializer" | "value.deserializer" => {
            Some("leave it out: 'format' and 'key.format' say how messages are read")
        }
        "allow.auto.create.topics" => Some("leave it out: a topic is not made by reading it"),
        "enable.auto.offset.store" | "enable.partition.eof" => Some("leave it out: the source sees to that"),
        "sasl.login.class" | "sasl.login.callback.handler.class" | "sasl.client.callback.handler.class" => {
            Some("classes are not loaded: write 'properties.sasl.mechanism' with PLAIN or SCRAM-SHA-512")
        }
        _ => None,
    }
}

/// Who logs in.
fn login(options: &Options, config: &mut ClientConfig) -> Result<(), OptionError> {
    let Some(text) = get(options, "sasl.jaas.config") else { return Ok(()) };
    let refuse = |reason: &str| Err(invalid(options, "sasl.jaas.config", reason));
    let (module, pairs) = match jaas::parse(text) {
        Ok(parsed) => parsed,
        Err(reason) => return refuse(reason),
    };
    if !["PlainLoginModule", "ScramLoginModule"].contains(&module.as_str()) {
        return refuse(
            "of login modules PlainLoginModule and ScramLoginModule are understood: for others write librdkafka's 'properties.sasl.*'",
        );
    }
    for wanted in ["username", "password"] {
        match pairs.iter().find(|(name, _)| name == wanted) {
            Some((_, value)) => {
                config.set(format!("sasl.{wanted}"), value.as_str());
            }
            None => return refuse("it names no username, or no password: username=\"...\" password=\"...\""),
        }
    }
    if ["sasl.mechanism", "sasl.mechanisms"].iter().all(|name| get(options, name).is_none()) {
        if module != "PlainLoginModule" {
            return refuse("which SCRAM is it? Write 'properties.sasl.mechanism' = 'SCRAM-SHA-256' or 'SCRAM-SHA-512'");
        }
        config.set("sasl.mechanism", "PLAIN");
    }
    Ok(())
}

/// Where certificates are.
fn stores(options: &Options, config: &mut ClientConfig) -> Result<(), OptionError> {
    let kind = |store: &str| get(options, &format!("ssl.{store}.type")).map(str::to_ascii_uppercase);
    let pem = |store: &str, remedy: &str| {
        invalid(
            options,
            &format!("ssl.{store}.location"),
            format!("Java's key stores (JKS) are read by Java alone: {remedy}"),
        )
    };
    if let Some(place) = get(options, "ssl.truststore.location") {
        match kind("truststore").as_deref() {
            Some("PEM") => {
                config.set("ssl.ca.location", place);
            }
            _ => {
                return Err(pem(
                    "truststore",
                    "write its certificates to a PEM file (keytool -exportcert -rfc) and 'properties.ssl.truststore.type' = 'PEM'",
                ));
            }
        }
    }
    if let Some(place) = get(options, "ssl.keystore.location") {
        match kind("keystore").as_deref() {
            Some("PEM") => {
                config.set("ssl.certificate.location", place);
                config.set("ssl.key.location", place);
            }
            Some("PKCS12") => {
                config.set("ssl.keystore.location", place);
            }
            _ => {
                return Err(pem(
                    "keystore",
                    "write it as PEM or PKCS12 (keytool -importkeystore -deststoretype pkcs12) and say so in 'properties.ssl.keystore.type'",
                ));
            }
        }
    }
    Ok(())
}

/// Refuses what this build cannot do.
fn secured(options: &Options, config: &ClientConfig) -> Result<(), OptionError> {
    if cfg!(feature = "tls") {
        return Ok(());
    }
    let without =
        "needs TLS or SCRAM, which are not built in: build with the feature `kafka-tls` of the package highwater";
    if config.get("security.protocol").is_some_and(|protocol| protocol.contains("ssl")) {
        return Err(invalid(options, "security.protocol", without));
    }
    let mechanism = ["sasl.mechanism", "sasl.mechanisms"].into_iter().find_map(|name| Some((name, config.get(name)?)));
    match mechanism {
        Some((name, mechanism)) if !mechanism.eq_ignore_ascii_case("PLAIN") => Err(invalid(options, name, without)),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ClientConfig, String> {
        let servers = ("properties.bootstrap.servers".to_owned(), "localhost:9092".to_owned());
        let pairs = pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()));
        let options: Options = pairs.chain([servers]).collect();
        config("source 's'", &options).map_err(|error| error.to_string())
    }

    #[test]
    fn javas_names_become_librdkafkas() {
        let found = read(&[
            ("request.timeout.ms", "5000"),
            ("fetch.max.wait.ms", "100"),
            ("max.poll.records", "7"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.jaas.config", "a.b.PlainLoginModule required username=\"ann\" password=\"p w\";"),
        ])
        .unwrap();
        let expected = [
            ("socket.timeout.ms", "5000"),
            ("fetch.wait.max.ms", "100"),
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "ann"),
            ("sasl.password", "p w"),
            ("isolation.level", "read_uncommitted"),
            ("auto.offset.reset", "error"),
        ];
        expected.iter().for_each(|(name, value)| assert_eq!(found.get(name), Some(*value), "{name}"));
        assert_eq!(found.get("max.poll.records"), None);
        assert_eq!(
            read(&[("isolation.level", "read_committed")]).unwrap().get("isolation.level"),
            Some("read_committed")
        );
    }

    #[test]
    fn what_has_no_counterpart_is_refused_and_no_secret_is_told() {
        let refused = |pairs: &[(&str, &str)]| read(pairs).unwrap_err();
        assert!(
            refused(&[("no.such", "1")]).contains("No such configuration property"),
            "{}",
            refused(&[("no.such", "1")])
        );
        assert!(refused(&[("fetch.min.bytes", "many")]).contains("properties.fetch.min.bytes"));
        assert!(refused(&[("ssl.truststore.location", "trust.jks")]).contains("PEM"));
        assert!(refused(&[("value.deserializer", "x")]).contains("'format'"));
        let jaas = refused(&[("sasl.jaas.config", "a.OAuthBearerLoginModule required secret=\"hush\";")]);
        assert!(jaas.contains("PlainLoginModule") && !jaas.contains("hush"), "{jaas}");
        let scram = "a.ScramLoginModule required username=\"ann\" password=\"hush\";";
        let told = refused(&[("sasl.jaas.config", scram)]);
        assert!(told.contains("SCRAM-SHA-512") && !told.contains("hush"), "{told}");
        let tls = read(&[("security.protocol", "SSL")]);
        assert_eq!(tls.is_ok(), cfg!(feature = "tls"));
        let missing = config("source 's'", &Options::default()).unwrap_err().to_string();
        assert!(missing.contains("properties.bootstrap.servers"), "{missing}");
    }
}
