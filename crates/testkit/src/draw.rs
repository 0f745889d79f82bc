//! Random draws that depend on nothing but a seed.
//!
//! The generator is SplitMix64 (Steele, Lea and Flood, 2014), written out here because a printed
//! seed has to replay for as long as the repository lives, whatever a library does to its streams.
//! It is not for keys or ids of the product.

/// A stream of draws. The same seed gives the same stream on every machine.
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// A stream from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A second stream, apart from this one, so that more draws here change nothing there.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self(self.bits() ^ 0xa076_1d64_78bd_642f)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..limit`; zero when `limit` is zero.
    ///
    /// The small bias of the remainder does not matter for choosing faults.
    pub const fn below(&mut self, limit: u64) -> u64 {
        match self.bits().checked_rem(limit) {
            Some(rest) => rest,
            None => 0,
        }
    }

    /// A number in `low..=high`, or `low` when the range is empty.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True in `percent` of a hundred draws.
    pub const fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of `choices`; `None` only when there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.below(choices.len() as u64)).ok()?;
        choices.get(index)
    }

    /// Sixteen bytes, the size of an id.
    pub fn id(&mut self) -> [u8; 16] {
        let (high, low) = (self.bits(), self.bits());
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(8) {
            let bytes = self.bits().to_le_bytes();
            for (to, from) in piece.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Draw;

    #[test]
    fn the_stream_is_the_published_one() {
        let mut draw = Draw::new(1_234_567);
        let drawn = [draw.bits(), draw.bits(), draw.bits()];
        assert_eq!(
            drawn,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut draw = Draw::new(7);
        for _ in 0..1_000 {
            assert!(draw.below(3) < 3);
            assert!((5..=9).contains(&draw.between(5, 9)));
        }
        assert_eq!(draw.below(0), 0);
        assert!(!draw.chance(0) && draw.chance(100));
        assert_eq!(draw.pick::<u8>(&[]), None);
    }
}
