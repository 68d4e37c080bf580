//! One or more values: one costs no allocation, and none cannot be written.

/// One value, and perhaps some more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Few<T> {
    first: T,
    rest: Vec<T>,
}

impl<T> Few<T> {
    /// Holds one value.
    pub const fn one(first: T) -> Self {
        Self { first, rest: Vec::new() }
    }

    /// Adds `value` to what is there already, if anything is.
    pub fn with(before: Option<Self>, value: T) -> Self {
        match before {
            None => Self::one(value),
            Some(mut few) => {
                few.rest.push(value);
                few
            }
        }
    }

    /// Returns the first.
    pub const fn first(&self) -> &T {
        &self.first
    }

    /// Counts them.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub const fn len(&self) -> usize {
        1 + self.rest.len()
    }

    /// Walks them in their order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}
