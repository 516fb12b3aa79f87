//! What an expression of Prometheus reads and yields, held against what is exported.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{self, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector};

pub(super) type Labels = BTreeSet<String>;

/// What one scrape offers: for each name its labels, and for each of these its values.
#[derive(Debug, Default)]
pub(super) struct Exported(BTreeMap<String, BTreeMap<String, BTreeSet<String>>>);

/// Labels that Prometheus itself adds to everything that it scrapes.
const OF_THE_SCRAPE: [&str; 2] = ["job", "instance"];

impl Exported {
    /// Reads what `/metrics` says.
    pub(super) fn parse(text: &str) -> Self {
        let mut exported = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, rest) = line.split_once(['{', ' ']).expect("a name");
            let labels = exported.0.entry(name.to_owned()).or_default();
            let pairs = rest.rsplit_once('}').map_or("", |(pairs, _)| pairs);
            for (label, value) in pairs.split("\",").filter_map(|pair| pair.split_once("=\"")) {
                labels.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
            }
        }
        exported
    }

    /// The labels of what `text` yields, or what is wrong with it.
    pub(super) fn check(&self, text: &str) -> Result<Labels, String> {
        self.labels(&parser::parse(text)?).map_err(|error| format!("{text}: {error}"))
    }

    fn labels(&self, expression: &Expr) -> Result<Labels, String> {
        match expression {
            Expr::VectorSelector(selector) => self.selected(selector),
            Expr::MatrixSelector(selector) => self.selected(&selector.vs),
            Expr::Paren(inner) => self.labels(&inner.expr),
            Expr::Unary(inner) => self.labels(&inner.expr),
            Expr::Subquery(inner) => self.labels(&inner.expr),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(Labels::new()),
            Expr::Aggregate(aggregate) => {
                let inner = self.labels(&aggregate.expr)?;
                match &aggregate.modifier {
                    None => Ok(Labels::new()),
                    Some(LabelModifier::Include(by)) => among(&by.labels, &inner),
                    Some(LabelModifier::Exclude(without)) => Ok(&inner - &among(&without.labels, &inner)?),
                }
            }
            Expr::Binary(binary) => self.of_both(binary),
            Expr::Call(call) => {
                let mut labels = Labels::new();
                for argument in &call.args.args {
                    labels.append(&mut self.labels(argument)?);
                }
                match call.func.name {
                    "absent" => labels.clear(),
                    "histogram_quantile" if !labels.remove("le") => return Err("a quantile without buckets (le)".to_owned()),
                    _ => {}
                }
                Ok(labels)
            }
            Expr::Extension(_) => Err("not an expression of Prometheus".to_owned()),
        }
    }

    fn selected(&self, selector: &VectorSelector) -> Result<Labels, String> {
        let name = selector.name.as_deref().ok_or("a selector without a metric")?;
        let labels = self.0.get(name).ok_or_else(|| format!("{name} is not exported"))?;
        let known: Labels = labels.keys().cloned().chain(OF_THE_SCRAPE.map(str::to_owned)).collect();
        for Matcher { op, name: label, value } in selector.matchers.matchers.iter().chain(selector.matchers.or_matchers.iter().flatten()) {
            among(std::slice::from_ref(label), &known).map_err(|error| format!("{name}: {error}"))?;
            let values = match op {
                MatchOp::Equal | MatchOp::NotEqual => vec![value.as_str()],
                // Only alternatives in words and `.*` are used.
                MatchOp::Re(_) | MatchOp::NotRe(_) => value.split('|').filter(|value| *value != ".*").collect(),
            };
            let known = labels.get(label);
            if let Some(missing) = values.into_iter().find(|value| !known.is_some_and(|known| known.contains(*value))) {
                return Err(format!("{name}: {label} is never {missing:?}, but one of {known:?}"));
            }
        }
        Ok(known)
    }

    fn of_both(&self, binary: &BinaryExpr) -> Result<Labels, String> {
        let (left, right) = (self.labels(&binary.lhs)?, self.labels(&binary.rhs)?);
        let Some(modifier) = &binary.modifier else { return Ok(&left | &right) };
        let on = match &modifier.matching {
            Some(LabelModifier::Include(on)) => Some((among(&on.labels, &left)?, among(&on.labels, &right)?).0),
            Some(LabelModifier::Exclude(ignoring)) => return Err(format!("ignoring {ignoring:?}: name the labels with on")),
            None => None,
        };
        match &modifier.card {
            VectorMatchCardinality::ManyToMany => Ok(left),
            VectorMatchCardinality::OneToOne => Ok(on.unwrap_or_else(|| &left | &right)),
            VectorMatchCardinality::ManyToOne(more) => Ok(&left | &among(&more.labels, &right)?),
            VectorMatchCardinality::OneToMany(more) => Ok(&right | &among(&more.labels, &left)?),
        }
    }
}

/// `asked` as a set, when all of it is among `known`.
fn among(asked: &[String], known: &Labels) -> Result<Labels, String> {
    match asked.iter().find(|label| !known.contains(*label)) {
        Some(missing) => Err(format!("there is no label {missing}, but {known:?}")),
        None => Ok(asked.iter().cloned().collect()),
    }
}
