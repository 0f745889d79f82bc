//! Which nonces of one issuer were seen: a sliding window in the manner of RFC 6479.
//!
//! A nonce above the highest seen is new; one at most 127 below it is new once; anything older is refused, seen or
//! not. Nothing is ever evicted from inside the window.

/// How many nonces, counted from the highest seen, can still be told apart.
pub const WINDOW_WIDTH: u64 = 128;

/// The nonces seen of one issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    highest: u64,
    /// Bit `n` is set when `highest - n` was seen.
    seen: u128,
}

impl Default for Window {
    /// Nothing was seen; 0 is no nonce.
    fn default() -> Self {
        Self { highest: 0, seen: 1 }
    }
}

impl Window {
    /// A window as it was kept somewhere: the highest nonce and the bits below it.
    #[must_use]
    pub fn restored(highest: u64, seen: u128) -> Self {
        Self { highest, seen: seen | 1 }
    }

    /// The highest nonce seen, and the bits below it: bit `n` for `highest - n`.
    #[must_use]
    pub fn parts(&self) -> (u64, u128) {
        (self.highest, self.seen)
    }

    /// Whether `nonce` would be accepted.
    #[must_use]
    pub fn is_new(&self, nonce: u64) -> bool {
        match self.highest.checked_sub(nonce) {
            None => true,
            Some(back @ 0..WINDOW_WIDTH) => self.seen & (1 << back) == 0,
            Some(WINDOW_WIDTH..) => false,
        }
    }

    /// Takes `nonce` as seen; whether it was new. A nonce that was not changes nothing.
    pub fn accept(&mut self, nonce: u64) -> bool {
        if !self.is_new(nonce) {
            return false;
        }
        match self.highest.checked_sub(nonce) {
            Some(back) => self.seen |= 1 << back,
            None => {
                let ahead = u32::try_from(nonce - self.highest).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = nonce;
            }
        }
        true
    }
}
