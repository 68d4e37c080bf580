//! Values that many records share, kept once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use papaya::HashMap;

/// Fewer values than this are not worth looking through; a bound, not a clause.
const FEW: usize = 1_000;

/// Values that many records share: kept once, by the words in which they are written, and no longer than a record has
/// them, since whoever changes a record makes as many values as they like.
#[derive(Debug)]
pub(crate) struct Interned<T> {
    values: HashMap<String, Arc<T>>,
    /// What was shared last, with its words: it is often asked for again.
    last: Mutex<Option<(String, Arc<T>)>>,
    /// Beyond so many, those that no record has are dropped.
    most: AtomicUsize,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: HashMap::new(), last: Mutex::default(), most: AtomicUsize::new(FEW) }
    }
}

impl<T> Interned<T> {
    /// Counts the values.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns what `words` say; `None`: nothing can be read from them.
    pub(crate) fn share(&self, words: String, read: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shared)) = last.as_ref().filter(|(known, _)| *known == words) {
            return Some(Arc::clone(shared));
        }
        let shared = self.find(words.clone(), read)?;
        *last = Some((words, Arc::clone(&shared)));
        Some(shared)
    }

    fn find(&self, words: String, read: impl FnOnce() -> Option<T>) -> Option<Arc<T>> {
        let values = self.values.pin();
        if let Some(shared) = values.get(&words) {
            return Some(Arc::clone(shared));
        }
        let fresh = Arc::new(read()?);
        values.insert(words, Arc::clone(&fresh));
        if values.len() > self.most.load(Ordering::Relaxed) {
            values.retain(|_, shared| Arc::strong_count(shared) > 1);
            self.most.store((2 * values.len()).max(FEW), Ordering::Relaxed);
        }
        Some(fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{FEW, Interned};

    #[test]
    fn what_no_record_has_any_more_is_not_kept() {
        let interned = Interned::default();
        let kept = interned.share("0".into(), || Some(0)).unwrap();
        for number in 1..10 * FEW {
            interned.share(number.to_string(), || Some(number)).unwrap();
        }
        assert!(interned.len() <= 2 * FEW, "{}", interned.len());
        assert!(
            Arc::ptr_eq(&kept, &interned.share("0".into(), || None).unwrap()),
            "what one has is kept once"
        );
        assert!(interned.share("unreadable".into(), || None).is_none());
    }
}
