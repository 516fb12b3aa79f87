//! Clients of many ages, each of which produces some records and reads them back in a process of its own. Whether that works is what is asked.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cache::{self, KafkaPython};
use crate::clients::librdkafka;
use crate::clients::python::Python;
use crate::process::{Spec, Supervised, tail};
use crate::records::{Shape, make};

const JAVA: (&str, &str) = ("Roundtrip.java", include_str!("java/Roundtrip.java"));
const GO: [(&str, &str); 3] = [("main.go", include_str!("go/main.go")), ("go.mod", include_str!("go/go.mod")), ("go.sum", include_str!("go/go.sum"))];
/// Above the programs' own limits.
const LIMIT: Duration = Duration::from_secs(100);
const RECORDS: usize = 10;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// kafka-clients of this version.
    Java(&'static str),
    /// With `api_version`, where one is given.
    Python(KafkaPython, Option<&'static str>),
    /// With this `Config.Version`.
    Sarama(&'static str),
    /// With `broker.version.fallback` in place of ApiVersions, where one is given.
    Librdkafka(Option<&'static str>),
}

impl Kind {
    /// Fetches and compiles what it needs.
    pub(crate) fn prepare(self) {
        match self {
            Kind::Java(version) => drop(java(version)),
            Kind::Python(version, _) => drop(cache::python(version)),
            Kind::Sarama(_) => drop(cache::go_program("roundtrip", &GO)),
            Kind::Librdkafka(_) => {}
        }
    }

    /// Also its client id.
    pub(crate) fn name(self) -> String {
        match self {
            Kind::Java(version) => format!("java-{version}"),
            Kind::Python(version, None) => format!("kafka-python-{}", version.version()),
            Kind::Python(version, Some(api)) => format!("kafka-python-{}-as-{api}", version.version()),
            Kind::Sarama(version) => format!("sarama-as-{version}"),
            Kind::Librdkafka(None) => "librdkafka".to_owned(),
            Kind::Librdkafka(Some(version)) => format!("librdkafka-as-{version}"),
        }
    }

    /// Produces and consumes; what it said last is the error. `directory`: where it may leave its files.
    pub(crate) fn work(self, bootstrap: &str, topic: &str, directory: &Path) -> Result<(), String> {
        match self {
            Kind::Java(version) => {
                let (classes, jars) = java(version);
                let class_path = format!("{}:{jars}", classes.display());
                let arguments = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", &class_path, "Roundtrip"];
                run(Spec::new("java").args(arguments).args([bootstrap, topic, &self.name()]), &self.name(), directory)
            }
            Kind::Sarama(version) => {
                run(Spec::new(cache::go_program("roundtrip", &GO)).args([bootstrap, topic, &self.name(), version]), &self.name(), directory)
            }
            Kind::Python(version, api) => self.python(Python::new(version, bootstrap, directory), topic, api, directory),
            Kind::Librdkafka(fallback) => {
                let (name, records) = (self.name(), make(1, RECORDS, 1, Shape::NoHeaders));
                let mut settings = vec![("client.id", name.as_str())];
                if let Some(version) = fallback {
                    settings.extend([("api.version.request", "false"), ("broker.version.fallback", version)]);
                }
                let panic = |panic: Box<dyn std::any::Any + Send>| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "it panicked".to_owned());
                std::panic::catch_unwind(|| {
                    librdkafka::produce(bootstrap, topic, &records, &[settings.as_slice(), &[("message.timeout.ms", "15000")]].concat());
                    librdkafka::consume(bootstrap, topic, &format!("{name}-group"), RECORDS, &settings);
                })
                .map_err(panic)
            }
        }
    }

    fn python(self, mut python: Python, topic: &str, api: Option<&str>, directory: &Path) -> Result<(), String> {
        let file = directory.join(format!("{}.records", self.name()));
        crate::records::write(&file, &make(1, RECORDS, 1, Shape::NoHeaders));
        let (name, group, count) = (self.name(), format!("{}-group", self.name()), RECORDS.to_string());
        let common = [("topic", topic), ("client_id", name.as_str())].into_iter().chain(api.map(|api| ("api_version", api)));
        python.attempt("produce", &common.clone().chain([("file", file.to_str().unwrap())]).collect::<Vec<_>>())?;
        python.attempt("consume", &common.chain([("group", group.as_str()), ("count", &count)]).collect::<Vec<_>>())?;
        Ok(())
    }
}

/// The classes and the jars, as a class path.
fn java(version: &str) -> (PathBuf, String) {
    let jars = cache::kafka_clients(version);
    (cache::compiled(&format!("roundtrip-{version}"), &jars, &[JAVA]), jars)
}

fn run(spec: Spec, name: &str, directory: &Path) -> Result<(), String> {
    let log = directory.join(format!("{name}.log"));
    let _ = std::fs::remove_file(&log);
    let mut process = Supervised::start(name, &spec, &log);
    process.await_exit(LIMIT);
    let output = std::fs::read_to_string(&log).unwrap_or_default();
    if output.lines().any(|line| line == "ok") { Ok(()) } else { Err(tail(&log, 12)) }
}
