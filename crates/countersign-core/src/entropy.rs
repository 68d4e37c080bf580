//! Where ids and secrets are drawn from.

/// A source of unpredictable bytes. The production source is the operating system's, in the binary.
pub trait Entropy: Send {
    /// Fills `buffer` with unpredictable bytes.
    fn fill(&mut self, buffer: &mut [u8]);
}

/// A repeatable source for tests and examples. Never for production: its bytes are predictable.
#[derive(Debug, Clone)]
pub struct SeededEntropy {
    state: u64,
}

impl SeededEntropy {
    /// Starts the sequence named by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            // SplitMix64: three lines, passes the usual statistical batteries, and is not a cipher.
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = self.state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^= mixed >> 31;
            for (byte, fresh) in chunk.iter_mut().zip(mixed.to_le_bytes()) {
                *byte = fresh;
            }
        }
    }
}
