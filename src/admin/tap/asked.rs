//! What stands behind the question mark.

use std::num::NonZeroU32;

use crate::tap::{Errors, PER_SECOND_MAX, Pattern, SAMPLE_MAX, Wanted};
use crate::telemetry::error_code;
use crate::wire::Api;

/// What to do where it cannot be understood.
pub(super) const HINT: &str = "ask for /v1/tap, or such as /v1/tap?client=orders&api=Produce&topic=invoices*&error=any&sample=10&rate=100&count=5";

/// What is shown of each request besides its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shown {
    /// Keys and values.
    pub(super) records: bool,
    pub(super) frames: bool,
    /// The configuration allows records.
    pub(super) permitted: bool,
}

/// What was asked for.
pub(super) struct Asked {
    pub(super) wanted: Wanted,
    pub(super) shown: Shown,
    /// The stream ends after so many requests.
    pub(super) count: u64,
}

impl Asked {
    /// `client`, `topic`, `api` and `error` may stand there several times: one of them is enough.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Asked, String> {
        let mut asked = Asked { wanted: Wanted::default(), shown: Shown::default(), count: u64::MAX };
        let Wanted { clients, topics, apis, errors, sample, per_second, .. } = &mut asked.wanted;
        for (key, value) in pairs {
            match key.as_str() {
                "client" => clients.push(Pattern::new(value)),
                "topic" => topics.push(Pattern::new(value)),
                "api" => apis.push(api(value)?),
                "error" => add(errors, value)?,
                "records" => asked.shown.records = flag(key, value)?,
                "frames" => asked.shown.frames = flag(key, value)?,
                "sample" => *sample = number(key, value, SAMPLE_MAX)?,
                "rate" => *per_second = number(key, value, PER_SECOND_MAX)?,
                "count" => asked.count = value.parse().ok().filter(|count| *count > 0).ok_or_else(|| format!("count={value} is no number of requests"))?,
                _ => return Err(format!("{key} is nothing that can be asked for")),
            }
        }
        Ok(asked)
    }
}

fn number(key: &str, value: &str, most: u32) -> Result<NonZeroU32, String> {
    let number = value.parse::<NonZeroU32>().ok().filter(|number| number.get() <= most);
    number.ok_or_else(|| format!("{key}={value} is no number from 1 to {most}"))
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    value.parse().map_err(|_| format!("{key}={value} is neither true nor false"))
}

/// An API by its name or its key.
fn api(value: &str) -> Result<i16, String> {
    let by_name = || Api::all().iter().find(|api| api.name.eq_ignore_ascii_case(value)).map(|api| api.key);
    let key = value.parse().ok().filter(|key| *key >= 0).or_else(by_name);
    key.ok_or_else(|| format!("\"{value}\" is no API of Kafka's; name one such as Produce, or its key"))
}

/// An error by its name or its code, or "any".
fn add(errors: &mut Errors, value: &str) -> Result<(), String> {
    if value.eq_ignore_ascii_case("any") {
        *errors = Errors::Any;
        return Ok(());
    }
    let code = value.parse().ok().or_else(|| error_code(&value.to_ascii_uppercase())).filter(|code| *code != 0);
    let code = code.ok_or_else(|| format!("\"{value}\" is no error of Kafka's; name one such as NOT_LEADER_OR_FOLLOWER, its code, or any"))?;
    match errors {
        Errors::Any => {}
        Errors::Whatever => *errors = Errors::These(vec![code]),
        Errors::These(codes) => codes.push(code),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Asked, String> {
        Asked::read(&query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_asked_is_read() {
        let nothing = read(&[]).unwrap();
        assert_eq!((nothing.wanted, nothing.count), (Wanted::default(), u64::MAX));
        let query = [("client", "a"), ("client", "b*"), ("topic", "t"), ("api", "produce"), ("api", "3"), ("error", "not_leader_or_follower"), ("error", "7")];
        let asked = read(&[&query[..], &[("sample", "10"), ("rate", "100"), ("count", "5")]].concat()).unwrap();
        let wanted = asked.wanted;
        assert_eq!(wanted.clients, [Pattern::new("a"), Pattern::new("b*")]);
        assert_eq!((wanted.topics, wanted.apis, wanted.errors), (vec![Pattern::new("t")], vec![0, 3], Errors::These(vec![6, 7])));
        assert_eq!((wanted.sample.get(), wanted.per_second.get(), asked.count), (10, 100, 5));
        assert_eq!(read(&[("error", "5"), ("error", "any"), ("error", "6")]).unwrap().wanted.errors, Errors::Any);
    }

    #[test]
    fn what_cannot_be_asked_says_why() {
        for (key, value, why) in [
            ("api", "Prodcue", "is no API"),
            ("api", "-1", "is no API"),
            ("error", "NONE", "is no error"),
            ("error", "WRONG", "is no error"),
            ("sample", "0", "from 1 to"),
            ("sample", "1000001", "from 1 to"),
            ("rate", "many", "from 1 to"),
            ("records", "yes", "neither true nor false"),
            ("count", "0", "is no number of requests"),
            ("topics", "t", "nothing that can be asked for"),
        ] {
            let problem = read(&[(key, value)]).err();
            assert!(problem.as_ref().is_some_and(|problem| problem.contains(why)), "{key}={value}: {problem:?}");
        }
    }
}
