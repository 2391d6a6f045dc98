//! Room for connections: so many in all, so many a unix user, so that no user can take the places of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The places of a server.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    taken: Arc<Mutex<HashMap<u32, usize>>>,
    in_all: usize,
    per_user: usize,
}

/// A taken place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    uid: u32,
}

impl Places {
    pub(crate) fn new(in_all: usize, per_user: usize) -> Self {
        Self { taken: Arc::default(), in_all, per_user }
    }

    /// A place for `uid`, where there is one.
    pub(crate) fn take(&self, uid: u32) -> Option<Place> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let own = taken.entry(uid).or_insert(0);
        if all >= self.in_all || *own >= self.per_user {
            return None;
        }
        *own += 1;
        Some(Place { places: self.clone(), uid })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_cannot_take_the_places_of_another() {
        let places = Places::new(3, 2);
        let first = places.take(1000);
        let second = places.take(1000);
        assert!(first.is_some() && second.is_some());
        assert!(places.take(1000).is_none(), "a third of the same user");
        let other = places.take(1001);
        assert!(other.is_some(), "another user");
        assert!(places.take(1002).is_none(), "all places are taken");
        drop(first);
        assert!(places.take(1002).is_some(), "a place is free again");
    }
}
