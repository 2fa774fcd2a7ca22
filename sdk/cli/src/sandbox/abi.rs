//! Values of the canonical ABI in a guest's memory: little-endian, lists and texts by address and
//! length, a variant's case in its first byte and its payload aligned behind it.

use anyhow::{Context, Result, ensure};
use sdk_contract::error::{Fault, FaultKind, FieldFault};

/// An address in a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(pub(super) u32);

impl Place {
    pub(super) fn plus(self, bytes: u32) -> Self {
        // What wraps around is outside of every memory.
        Self(self.0.saturating_add(bytes))
    }
}

/// A guest's memory. Nothing a guest says of it is believed.
pub(super) struct Memory<'a>(&'a mut [u8]);

/// In the order of the interface's `enum fault-kind`.
const KINDS: [FaultKind; 7] = [
    FaultKind::NotFound,
    FaultKind::Forbidden,
    FaultKind::Conflict,
    FaultKind::Invalid,
    FaultKind::Refused,
    FaultKind::Unavailable,
    FaultKind::Internal,
];

pub(super) fn kind_to_byte(kind: FaultKind) -> u8 {
    let at = KINDS.iter().position(|known| *known == kind);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}

impl<'a> Memory<'a> {
    pub(super) fn of(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    fn range(at: Place, length: u32) -> Result<std::ops::Range<usize>> {
        let from = usize::try_from(at.0)?;
        let to = from
            .checked_add(usize::try_from(length)?)
            .context("an address is outside of the memory")?;
        Ok(from..to)
    }

    pub(super) fn bytes(&self, at: Place, length: u32) -> Result<&[u8]> {
        self.0
            .get(Self::range(at, length)?)
            .context("an address is outside of the memory")
    }

    pub(super) fn put(&mut self, at: Place, bytes: &[u8]) -> Result<()> {
        let range = Self::range(at, u32::try_from(bytes.len())?)?;
        self.0
            .get_mut(range)
            .context("an address is outside of the memory")?
            .copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn put_words(&mut self, at: Place, words: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.put(at, &bytes)
    }

    pub(super) fn byte(&self, at: Place) -> Result<u8> {
        self.bytes(at, 1)?.first().copied().context("no byte")
    }

    pub(super) fn word(&self, at: Place) -> Result<u32> {
        Ok(u32::from_le_bytes(self.bytes(at, 4)?.try_into()?))
    }

    /// Bytes of a list whose address and length are at `at`.
    fn list(&self, at: Place, size: u32) -> Result<&[u8]> {
        let (from, count) = (Place(self.word(at)?), self.word(at.plus(4))?);
        let length = count
            .checked_mul(size)
            .context("a list is longer than a memory")?;
        self.bytes(from, length)
    }

    /// The text whose address and length are at `at`.
    pub(super) fn text(&self, at: Place) -> Result<String> {
        let bytes = self.list(at, 1)?;
        String::from_utf8(bytes.to_vec()).context("a text is not UTF-8")
    }

    pub(super) fn numbers(&self, at: Place) -> Result<Vec<f64>> {
        let (numbers, rest) = self.list(at, 8)?.as_chunks::<8>();
        ensure!(rest.is_empty(), "a list is cut off");
        Ok(numbers
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect())
    }

    /// `record fault { kind, code, message, fields }`.
    pub(super) fn fault(&self, at: Place) -> Result<Fault> {
        let kind = usize::from(self.byte(at)?);
        let kind = KINDS.get(kind).copied().context("no such kind of fault")?;
        let (first, count) = (Place(self.word(at.plus(20))?), self.word(at.plus(24))?);
        let mut fields = Vec::new();
        for index in 0..count {
            let at = first.plus(index.saturating_mul(24));
            fields.push(FieldFault {
                field: self.text(at)?,
                code: self.text(at.plus(8))?,
                message: self.text(at.plus(16))?,
                confirm: false,
            });
        }
        Ok(Fault {
            kind,
            code: self.text(at.plus(4))?,
            message: self.text(at.plus(12))?,
            fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_read_as_the_abi_lays_it_out() {
        let mut bytes = vec![0; 64];
        let mut memory = Memory::of(&mut bytes);
        memory.put(Place(0), &[4]).unwrap();
        memory.put_words(Place(4), &[40, 6, 46, 2, 0, 0]).unwrap();
        memory.put(Place(40), b"tea.hothi").unwrap();
        let fault = memory.fault(Place(0)).unwrap();
        assert_eq!(fault, Fault::refused("tea.ho", "th"));
        assert_eq!(kind_to_byte(FaultKind::Refused), 4);
    }

    #[test]
    fn nothing_outside_of_the_memory_is_read() {
        let mut bytes = vec![0xff; 16];
        let memory = Memory::of(&mut bytes);
        assert!(memory.word(Place(14)).is_err());
        assert!(memory.text(Place(0)).is_err());
        assert!(memory.numbers(Place(0)).is_err());
        assert!(memory.fault(Place(u32::MAX)).is_err());
    }
}
