//! Statements that ask for many rows by one column: a list of parameters that always has the same length.

use countersign_database::value::Value;

/// Values of one list.
const MANY: usize = 50;

/// The list, for `IN (…)`.
macro_rules! many {
    () => {
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
         $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, \
         $47, $48, $49, $50"
    };
}
pub(crate) use many;

/// Divides values into such lists. What a list lacks is filled with its first value.
pub(crate) fn lists<T: Copy + Into<Value>>(values: &[T]) -> impl Iterator<Item = Vec<Value>> {
    values.chunks(MANY).map(|some| {
        let filling = some.iter().cycle().take(MANY.saturating_sub(some.len()));
        some.iter().chain(filling).map(|value| (*value).into()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::{MANY, lists};

    #[test]
    fn every_list_has_the_length_of_the_statements() {
        assert_eq!(many!().split(", ").count(), MANY);
        for (values, expected) in [(0, 0), (1, 1), (50, 1), (51, 2), (120, 3)] {
            let values: Vec<i64> = (0..values).collect();
            let lists: Vec<_> = lists(&values).collect();
            assert_eq!(lists.len(), expected);
            assert!(lists.iter().all(|list| list.len() == MANY));
            assert!(values.iter().all(|value| lists.iter().flatten().any(|one| *one == (*value).into())));
        }
    }
}
