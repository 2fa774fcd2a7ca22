//! XML as far as workbooks need it: elements one after another, and the text between them.

use std::io::{BufRead, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::super::read::MAX_LINE;
use super::{Misread, bad, too_large};

/// Fails when more is unpacked than may be.
pub(super) struct Counted<'l, R> {
    inner: R,
    left: &'l mut u64,
}

impl<'l, R> Counted<'l, R> {
    pub(super) fn new(inner: R, left: &'l mut u64) -> Self {
        Self { inner, left }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(into)?;
        *self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| std::io::Error::other("unpacks to too much"))?;
        Ok(read)
    }
}

pub(super) struct Xml<R>(Reader<R>);

/// An element that begins.
pub(super) struct Element<'e>(&'e BytesStart<'e>);

impl Element<'_> {
    pub(super) fn name(&self) -> &[u8] {
        self.0.local_name().into_inner()
    }

    /// An attribute by its name without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut all = self.0.attributes();
        let mut found = all
            .with_checks(false)
            .flatten()
            .filter(|a| a.key.local_name().into_inner() == name.as_bytes());
        let value = found.next()?.value;
        let text = std::str::from_utf8(&value).ok()?;
        Some(quick_xml::escape::unescape(text).ok()?.into_owned())
    }
}

pub(super) enum Seen<'e> {
    Start(Element<'e>),
    End(&'e [u8]),
}

impl<R: BufRead> Xml<R> {
    pub(super) fn new(inner: R) -> Self {
        let mut reader = Reader::from_reader(inner);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_end_names = false;
        Self(reader)
    }

    /// Goes through the elements with the text since the last that was taken, until told to stop.
    pub(super) fn each(
        &mut self,
        mut see: impl FnMut(Seen<'_>, &mut String) -> bool,
    ) -> Result<(), Misread> {
        let (mut buffer, mut text) = (Vec::new(), String::new());
        loop {
            buffer.clear();
            let event = self
                .0
                .read_event_into(&mut buffer)
                .map_err(|error| match error {
                    quick_xml::Error::Io(e) if e.kind() == std::io::ErrorKind::Other => too_large(),
                    _ => bad(),
                })?;
            let go_on = match event {
                Event::Start(element) => {
                    text.clear();
                    see(Seen::Start(Element(&element)), &mut text)
                }
                Event::End(element) => {
                    let name = element.local_name();
                    see(Seen::End(name.into_inner()), &mut text)
                }
                Event::Text(part) => {
                    text.push_str(&part.xml10_content().map_err(|_| bad())?);
                    true
                }
                Event::CData(part) => {
                    text.push_str(&part.xml10_content().map_err(|_| bad())?);
                    true
                }
                Event::GeneralRef(part) => {
                    let whole = format!("&{};", part.decode().map_err(|_| bad())?);
                    let said = quick_xml::escape::unescape(&whole).map_err(|_| bad())?;
                    text.push_str(&said);
                    true
                }
                // Nothing that a document type declares is ever expanded.
                Event::DocType(_) => return Err(bad()),
                Event::Eof => return Ok(()),
                _ => true,
            };
            if text.len() > MAX_LINE {
                return Err(too_large());
            }
            if !go_on {
                return Ok(());
            }
        }
    }
}
