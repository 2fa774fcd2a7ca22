//! What the documents promise, to be tried as it is written there.

/// The shell block of docs/api.md under a heading.
pub fn documented(heading: &str) -> String {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let docs = std::fs::read_to_string(docs).expect("the document");
    let (_, section) = docs
        .split_once(&format!("\n## {heading}\n"))
        .expect("the section");
    let (_, block) = section.split_once("```sh\n").expect("a block");
    block.split("```").next().expect("its end").to_owned()
}
