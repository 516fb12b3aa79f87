//! Figures by client and API, and by broker, within bounds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use super::figures::Figures;
use crate::guard::{ClientRef, Event};
use crate::telemetry::worker::{api_index, api_name};
use crate::wire::api;

/// Client ids of one thread and one stretch of time that have rows of their own: a large cluster's, and a few MiB at most.
pub(super) const CLIENTS_MAX: usize = 2_000;

/// The row that all further clients share.
pub const OTHERS: &str = "(others)";

/// Bytes of a client id that are kept. A client may send 32 KiB; people give theirs a few dozen.
pub(super) const CLIENT_ID_BYTES_MAX: usize = 120;

/// Which API keys a client's figures are about; a handful, so a list is searched fastest.
type ApiRows = Vec<(usize, Figures)>;

/// What was counted in one stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Account {
    clients: Vec<(Box<str>, ApiRows)>,
    places: HashMap<Box<str>, usize>,
    others: ApiRows,
    /// By the virtual broker; there are no more of them than ports.
    nodes: BTreeMap<Option<i32>, Figures>,
    /// The client of the last event: the next one is most often of the same.
    last: usize,
}

impl Account {
    /// Counts one event of `client`.
    pub(super) fn note(&mut self, client: ClientRef<'_>, event: Event) {
        self.nodes.entry(client.node_id).or_default().note(event);
        if let Some(api_key) = api_key(event) {
            figures_of(self.rows_of(client.client_id, CLIENTS_MAX), api_index(api_key)).note(event);
        }
    }

    /// Adds what another thread counted in the same stretch, keeping at most `clients_max` client ids.
    pub(super) fn add(&mut self, other: &Account, clients_max: usize) {
        self.merge(other, clients_max, Figures::add);
    }

    /// Adds the same thread's next stretch.
    pub(super) fn add_later(&mut self, other: &Account) {
        self.merge(other, CLIENTS_MAX, Figures::add_later);
    }

    /// The beginning of the next stretch: what is held now, it carries.
    pub(super) fn carried_on(&self) -> Account {
        let mut next = Account::default();
        let held = |rows: &ApiRows| rows.iter().filter_map(|(api, figures)| Some((*api, figures.carried_on()?))).collect::<ApiRows>();
        for (name, rows) in &self.clients {
            let carried = held(rows);
            if !carried.is_empty() {
                *next.rows_of(name, CLIENTS_MAX) = carried;
            }
        }
        next.others = held(&self.others);
        next.nodes = self.nodes.iter().filter_map(|(node_id, figures)| Some((*node_id, figures.carried_on()?))).collect();
        next
    }

    /// Rows of (client id, API name): those first from which errors reached the client, then those from which most was absorbed.
    pub fn rows(&self) -> Vec<(&str, &'static str, &Figures)> {
        let clients = self.clients.iter().map(|(name, rows)| (&**name, rows)).chain([(OTHERS, &self.others)]);
        let mut all: Vec<_> = clients.flat_map(|(name, rows)| rows.iter().map(move |(api, figures)| (name, api_name(*api), figures))).collect();
        all.sort_by(|a, b| b.2.weight().cmp(&a.2.weight()).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
        all
    }

    /// The same with at most `clients_max` client ids: those that matter most; the others are summed up.
    pub(super) fn busiest(mut self, clients_max: usize) -> Account {
        let weight = |rows: &ApiRows| {
            let mut sum = Figures::default();
            rows.iter().for_each(|(_, figures)| sum.add(figures));
            sum.weight()
        };
        self.clients.sort_by_cached_key(|(_, rows)| Reverse(weight(rows)));
        let left_out = self.clients.split_off(self.clients.len().min(clients_max));
        for (api, figures) in left_out.iter().flat_map(|(_, rows)| rows) {
            figures_of(&mut self.others, *api).add(figures);
        }
        self.places = self.clients.iter().enumerate().map(|(place, (name, _))| (name.clone(), place)).collect();
        self.clients.shrink_to_fit();
        self.last = 0;
        self
    }

    /// By broker; `None` is the bootstrap endpoint.
    pub fn nodes(&self) -> &BTreeMap<Option<i32>, Figures> {
        &self.nodes
    }

    /// Everything together.
    pub fn total(&self) -> Figures {
        let mut total = Figures::default();
        self.nodes.values().for_each(|figures| total.add(figures));
        total
    }

    fn merge(&mut self, other: &Account, clients_max: usize, add: fn(&mut Figures, &Figures)) {
        for (name, rows) in &other.clients {
            let mine = self.rows_of(name, clients_max);
            rows.iter().for_each(|(api, figures)| add(figures_of(mine, *api), figures));
        }
        other.others.iter().for_each(|(api, figures)| add(figures_of(&mut self.others, *api), figures));
        other.nodes.iter().for_each(|(node_id, figures)| add(self.nodes.entry(*node_id).or_default(), figures));
    }

    /// The client's rows; allocates only when it is new.
    fn rows_of(&mut self, client_id: &str, clients_max: usize) -> &mut ApiRows {
        let client_id = shortened(client_id, CLIENT_ID_BYTES_MAX);
        let place = match self.clients.get(self.last) {
            Some((name, _)) if **name == *client_id => Some(self.last),
            Some(_) | None => self.places.get(client_id).copied(),
        };
        let place = place.or_else(|| {
            let place = self.clients.len();
            (place < clients_max).then(|| {
                self.places.insert(client_id.into(), place);
                self.clients.push((client_id.into(), ApiRows::new()));
                place
            })
        });
        self.last = place.unwrap_or(self.last);
        match place.and_then(|place| self.clients.get_mut(place)) {
            Some((_, rows)) => rows,
            None => &mut self.others,
        }
    }
}

fn figures_of(rows: &mut ApiRows, api: usize) -> &mut Figures {
    let place = rows.iter().position(|(other, _)| *other == api).unwrap_or(rows.len());
    if place == rows.len() {
        rows.push((api, Figures::default()));
    }
    #[expect(clippy::indexing_slicing, reason = "the row was found or pushed just above")]
    &mut rows[place].1
}

/// The beginning of `text`, at most so many bytes and whole characters.
pub(super) fn shortened(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// The API key that an event is about; none where it is about a connection.
pub(super) fn api_key(event: Event) -> Option<i16> {
    match event {
        Event::Absorbed { api_key, .. }
        | Event::AbsorbedLoss { api_key }
        | Event::HoldBegan { api_key, .. }
        | Event::HoldEnded { api_key, .. }
        | Event::Resent { api_key }
        | Event::Reached { api_key, .. } => Some(api_key),
        Event::AcksRaised | Event::Numbered { .. } | Event::NotNumbered { .. } | Event::DuplicateDropped => Some(api::PRODUCE),
        Event::HomeLost | Event::HomeBack => None,
    }
}
