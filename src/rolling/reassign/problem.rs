//! The replicas of a cluster as numbers counted from 0: what is evened out, without names.

/// Brokers, and the replicas that partitions have on them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) brokers: Vec<Seat>,
    pub(super) partitions: Vec<Item>,
    pub(super) topics: usize,
}

/// A broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) rack: usize,
    pub(super) role: Role,
}

/// What becomes of the replicas of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It is to have its share.
    Target,
    /// It keeps what it has, and gets nothing: it is away, or draining.
    Keeps,
    /// All of its replicas are to leave it.
    Leaves,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) topic: usize,
    /// What one copy of it takes.
    pub(super) bytes: u64,
    /// Brokers in order; the first is the preferred leader.
    pub(super) replicas: Vec<usize>,
}

impl Problem {
    pub(super) fn role(&self, broker: usize) -> Role {
        self.brokers.get(broker).map_or(Role::Keeps, |seat| seat.role)
    }

    pub(super) fn is_target(&self, broker: usize) -> bool {
        self.role(broker) == Role::Target
    }

    pub(super) fn rack(&self, broker: usize) -> usize {
        self.brokers.get(broker).map_or(usize::MAX, |seat| seat.rack)
    }

    pub(super) fn racks(&self) -> usize {
        self.brokers.iter().map(|seat| seat.rack + 1).max().unwrap_or(0)
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = usize> {
        self.brokers.iter().enumerate().filter(|(_, seat)| seat.role == Role::Target).map(|(broker, _)| broker)
    }
}

/// Numbers by row and column.
#[derive(Debug, Clone)]
pub(super) struct Grid<T> {
    columns: usize,
    cells: Vec<T>,
}

impl<T: Copy + Default> Grid<T> {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Grid { columns, cells: vec![T::default(); rows * columns] }
    }

    pub(super) fn get(&self, row: usize, column: usize) -> T {
        self.cells.get(row * self.columns + column).copied().unwrap_or_default()
    }

    pub(super) fn row(&self, row: usize) -> &[T] {
        self.cells.get(row * self.columns..(row + 1) * self.columns).unwrap_or_default()
    }

    pub(super) fn change(&mut self, row: usize, column: usize, change: impl FnOnce(T) -> T) {
        if let Some(cell) = self.cells.get_mut(row * self.columns + column) {
            *cell = change(*cell);
        }
    }
}
