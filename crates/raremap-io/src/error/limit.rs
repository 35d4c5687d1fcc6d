//! Limits on memory and work.

/// A limit on memory or work would be exceeded.
#[derive(Debug, thiserror::Error)]
#[error("{what} would take {needed}, over the limit of {limit}")]
pub struct LimitExceeded {
    /// What is too large.
    pub what: &'static str,
    /// What it would take (bytes or entries).
    pub needed: u64,
    /// What is allowed.
    pub limit: u64,
}

/// Refuses `needed` over `limit`, and otherwise returns it as a length of this platform (32 bits in the browser).
///
/// # Errors
/// [`LimitExceeded`].
pub fn checked_len(what: &'static str, needed: u64, limit: u64) -> Result<usize, LimitExceeded> {
    let exceeded = |limit| LimitExceeded { what, needed, limit };
    if needed > limit {
        return Err(exceeded(limit));
    }
    usize::try_from(needed).map_err(|_| exceeded(usize::MAX as u64))
}
