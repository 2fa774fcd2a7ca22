//! What an upload is by its content, whatever its name says. Pure.
//!
//! The platform takes scoring models and tables, so there are two good kinds: a WebAssembly binary
//! and plain text. Everything else is refused at the door: archives, so nothing is ever unpacked;
//! programs; and whatever a viewer would run or render.

/// Bytes at the beginning in which viewers look for the mark of a document.
const HEAD: usize = 1024;
/// Bytes at the end in which an archive's directory may begin: its record and the longest comment.
const TAIL: usize = 22 + 65_535;

const WASM: &[u8] = b"\0asm";
/// The record that ends a ZIP archive, and so makes any file one.
const ZIP_END: &[u8] = b"PK\x05\x06";

/// Beginnings of what a viewer would run or render, though it is text.
const RENDERED: [&[u8]; 5] = [b"<", b"#!", b"%!", b"{\\rtf", b"MIME-Version:"];

/// Why the content is not taken, as a sentence; none when it is.
pub(crate) fn refusal(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if contains(head, b"%PDF-") || is_zip(bytes) {
        return Some("文件同时是另一种格式（压缩包或文档），不能接收");
    }
    if bytes.starts_with(WASM) {
        return None;
    }
    if bytes.iter().any(|b| is_binary(*b)) {
        return Some("不支持这种文件：只接收模型组件（.wasm）和文本表格（.csv）");
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let rendered = RENDERED.iter().any(|mark| text.starts_with(mark));
    rendered.then_some("不接收网页、脚本和标记文档")
}

/// Never in a text, in whatever national encoding it is.
fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\r' | b'\n') || byte == 0x7f
}

/// Whether the end says that an archive ends here: readers look for it from the end, so that a file
/// may be two things.
fn is_zip(bytes: &[u8]) -> bool {
    let tail = bytes
        .get(bytes.len().saturating_sub(TAIL)..)
        .unwrap_or(bytes);
    tail.windows(22).enumerate().any(|(at, record)| {
        let [.., low, high] = record else {
            return false;
        };
        let comment = usize::from(u16::from_le_bytes([*low, *high]));
        record.starts_with(ZIP_END) && at + 22 + comment == tail.len()
    })
}

fn contains(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_and_tables_are_taken() {
        for good in [
            b"\0asm\x0d\0\x01\0".as_slice(),
            "收入,利润\r\n1,2\r\n".as_bytes(),
            b"\xef\xbb\xbfa,b\n1,2\n",
            // GB 18030, as spreadsheets here write it.
            b"\xca\xd5\xc8\xeb,b\n1,2\n",
            b"{\"a\": 1}",
            b"",
        ] {
            assert_eq!(refusal(good), None, "{good:?}");
        }
    }

    #[test]
    fn dj_12_archives_programs_and_documents_are_refused() {
        for bad in [
            b"PK\x03\x04rest".as_slice(),
            b"\x1f\x8b\x08\0",
            b"BZh91AY&SY\0",
            b"\xfd7zXZ\0",
            b"7z\xbc\xaf\x27\x1c\0",
            b"Rar!\x1a\x07\0",
            b"MZ\x90\0\x03",
            b"\x7fELF\x02",
            b"\xcf\xfa\xed\xfe\x07\0",
            b"\x89PNG\r\n\x1a\n",
            b"GIF89a\x01\0",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
            b"%PDF-1.7",
            b"#!/bin/sh\n",
            b"<!doctype html><script>alert(1)</script>",
            b"\xef\xbb\xbf \n<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
            b"<svg onload=alert(1)>",
            b"{\\rtf1}",
        ] {
            assert!(refusal(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn dj_12_a_file_that_is_two_things_is_refused() {
        let wasm = b"\0asm\x0d\0\x01\0".to_vec();
        let mut end = ZIP_END.to_vec();
        end.extend([0; 18]);
        let archive = [wasm.as_slice(), b"PK\x03\x04", &end].concat();
        assert!(refusal(&archive).is_some());
        let mut commented = ZIP_END.to_vec();
        commented.extend([0; 16]);
        commented.extend([3, 0]);
        let archive = [wasm.as_slice(), &commented, b"abc"].concat();
        assert!(refusal(&archive).is_some());
        // The four bytes alone, as any binary may hold them.
        assert_eq!(
            refusal(&[wasm.as_slice(), ZIP_END, &[9; 40]].concat()),
            None
        );
        assert!(refusal(&[wasm.as_slice(), b"\0%PDF-1.7"].concat()).is_some());
        assert!(refusal(b"a,b\n%PDF-1.7\n").is_some());
    }
}
