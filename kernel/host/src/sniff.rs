//! What an upload is by its content, whatever its name says. Pure.
//!
//! The platform takes scoring models, tables and papers, so the good kinds are a WebAssembly binary,
//! plain text, workbooks without macros, PDF, PNG and JPEG. Everything else is refused at the door:
//! other archives, so nothing else is ever unpacked; programs; whatever a browser would run or render;
//! and what is two things at once.

/// Bytes at the beginning in which viewers look for the mark of a document.
const HEAD: usize = 1024;
/// Bytes at the end in which an archive's directory may begin: its record and the longest comment.
const TAIL: usize = 22 + 65_535;

const WASM: &[u8] = b"\0asm";
/// The record that ends a ZIP archive, and so makes any file one.
const ZIP_END: &[u8] = b"PK\x05\x06";

/// Beginnings of what a viewer would run or render, though it is text.
const RENDERED: [&[u8]; 5] = [b"<", b"#!", b"%!", b"{\\rtf", b"MIME-Version:"];

const WASM_MEDIA: &str = "application/wasm";
const TEXT_MEDIA: &str = "text/plain; charset=utf-8";
/// Text in another encoding, as spreadsheets here write it.
const OTHER_TEXT_MEDIA: &str = "text/plain; charset=gb18030";
/// Content that is not taken, which a file of before may have.
pub(crate) const UNKNOWN: &str = "application/octet-stream";

/// How an archive begins.
const ZIP: &[u8] = b"PK\x03\x04";
/// The records of archives whose counts have 64 bits. No upload is so large, and readers reserve memory
/// by what they say.
const ZIP64: [&[u8]; 2] = [b"PK\x06\x06", b"PK\x06\x07"];
const WORKBOOK_MEDIA: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Papers: how they begin, their media type, and how their names end.
const PAPERS: [(&[u8], &str, &[&str]); 4] = [
    (ZIP, WORKBOOK_MEDIA, &["xlsx"]),
    (b"%PDF-", "application/pdf", &["pdf"]),
    (b"\x89PNG\r\n\x1a\n", "image/png", &["png"]),
    (b"\xff\xd8\xff", "image/jpeg", &["jpg", "jpeg"]),
];

/// The media type of content that is taken, or why it is not, as a sentence.
pub(crate) fn media(bytes: &[u8]) -> Result<&'static str, &'static str> {
    const TWO: &str = "文件同时是另一种格式（压缩包或文档），不能接收";
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    if is_workbook(bytes) {
        return Ok(WORKBOOK_MEDIA);
    }
    if is_zip(bytes) || bytes.starts_with(ZIP) {
        return Err(TWO);
    }
    if let Some((_, media, _)) = PAPERS.iter().find(|(mark, ..)| bytes.starts_with(mark)) {
        return Ok(media);
    }
    if contains(head, b"%PDF-") {
        return Err(TWO);
    }
    if bytes.starts_with(WASM) {
        return Ok(WASM_MEDIA);
    }
    if bytes.iter().any(|b| is_binary(*b)) {
        return Err(
            "不支持这种文件：只接收 PDF、PNG、JPEG、表格（.csv、.xlsx）和模型组件（.wasm）",
        );
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    if RENDERED.iter().any(|mark| text.starts_with(mark)) {
        return Err("不接收网页、脚本和标记文档");
    }
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(TEXT_MEDIA),
        Err(_) => Ok(OTHER_TEXT_MEDIA),
    }
}

/// The name of a file with such content: a name of a paper's kind is for papers of that kind, and
/// theirs alone; one without an ending gets it.
pub(crate) fn name(name: &str, media: &str) -> Result<String, &'static str> {
    let ending = name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase());
    let says = |endings: &[&str]| ending.as_deref().is_some_and(|e| endings.contains(&e));
    let is = PAPERS.iter().find(|(_, m, _)| *m == media);
    let named = PAPERS.iter().find(|(.., endings)| says(endings));
    match (is, named) {
        (Some((.., endings)), None) if ending.is_none() => {
            Ok(format!("{name}.{}", endings.first().unwrap_or(&"")))
        }
        (Some((_, one, _)), Some((_, other, _))) if one == other => Ok(name.to_owned()),
        (None, None) => Ok(name.to_owned()),
        _ => Err("文件的内容与文件名的后缀不符"),
    }
}

/// Whether content is a workbook without macros, told without unpacking anything.
pub(crate) fn is_workbook(bytes: &[u8]) -> bool {
    let holds = |name: &str| contains(bytes, name.as_bytes());
    bytes.starts_with(ZIP)
        && is_zip(bytes)
        && !ZIP64.iter().all(|mark| contains(bytes, mark))
        && holds("[Content_Types].xml")
        && holds("xl/workbook.xml")
        && !holds("vbaProject.bin")
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
            assert!(media(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn dj_12_archives_programs_and_pages_are_refused() {
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
            b"GIF89a\x01\0",
            b"\n%PDF-1.7",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
            b"#!/bin/sh\n",
            b"<!doctype html><script>alert(1)</script>",
            b"\xef\xbb\xbf \n<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>",
            b"<svg onload=alert(1)>",
            b"{\\rtf1}",
        ] {
            assert!(media(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn dj_12_a_file_that_is_two_things_is_refused() {
        let wasm = b"\0asm\x0d\0\x01\0".to_vec();
        let mut end = ZIP_END.to_vec();
        end.extend([0; 18]);
        let archive = [wasm.as_slice(), b"PK\x03\x04", &end].concat();
        assert!(media(&archive).is_err());
        let mut commented = ZIP_END.to_vec();
        commented.extend([0; 16]);
        commented.extend([3, 0]);
        let archive = [wasm.as_slice(), &commented, b"abc"].concat();
        assert!(media(&archive).is_err());
        // The four bytes alone, as any binary may hold them.
        assert_eq!(
            media(&[wasm.as_slice(), ZIP_END, &[9; 40]].concat()),
            Ok(WASM_MEDIA)
        );
        assert!(media(&[b"%PDF-1.7".as_slice(), &end].concat()).is_err());
        assert!(media(&[wasm.as_slice(), b"\0%PDF-1.7"].concat()).is_err());
        assert!(media(b"a,b\n%PDF-1.7\n").is_err());
    }

    #[test]
    fn a_paper_is_named_as_what_it_is() {
        let pdf = media(b"%PDF-1.7").unwrap();
        assert_eq!(name("合同.PDF", pdf).unwrap(), "合同.PDF");
        assert_eq!(name("file", pdf).unwrap(), "file.pdf");
        assert!(name("合同.png", pdf).is_err() && name("表.csv", pdf).is_err());
        let text = media(b"a,b").unwrap();
        assert_eq!(name("表.csv", text).unwrap(), "表.csv");
        assert!(name("合同.pdf", text).is_err() && name("表.xlsx", text).is_err());
        let photo = media(b"\xff\xd8\xff\xe0").unwrap();
        assert_eq!(name("a.jpeg", photo).unwrap(), "a.jpeg");
    }
}
