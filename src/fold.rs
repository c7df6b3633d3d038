//! Names and subjects are the same in any case (ASCII): what finds them in tables.

use hashbrown::DefaultHashBuilder;
use std::hash::{BuildHasher, Hasher};

/// A hash that is the same for all spellings of a text that differ in ASCII case only.
pub(crate) fn folded_hash(hasher: &DefaultHashBuilder, text: &str) -> u64 {
    let mut state = hasher.build_hasher();
    // Whole words of eight bytes: a byte at a time would take three times as long.
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    words.iter().for_each(|&word| state.write_u64(lowercase(u64::from_le_bytes(word))));
    let rest = rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
    state.write_u64(lowercase(rest));
    state.write_usize(text.len());
    state.finish()
}

/// Eight bytes in lower case, all at once.
#[inline(always)]
const fn lowercase(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    let low = word & (0x7f * EACH);
    // The high bit of each byte says: from `A` on, after `Z`, no ASCII.
    let (from_a, after_z) = (low + (0x80 - b'A' as u64) * EACH, low + (0x7f - b'Z' as u64) * EACH);
    let upper = from_a & !after_z & !word & (0x80 * EACH);
    word | upper >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bytes_are_made_lower_case_as_one_by_one() {
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut word = *b"Zz@[`{Aa";
                word[at] = byte;
                let folded = lowercase(u64::from_le_bytes(word)).to_le_bytes();
                word.make_ascii_lowercase();
                assert_eq!(folded, word);
            }
        }
    }
}
