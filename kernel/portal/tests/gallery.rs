//! The gallery's pages, which have every kind of block, are what the page schema says a page is.

use sdk_contract::page::Page;

#[path = "../examples/gallery/bench.rs"]
mod bench;
#[path = "../examples/gallery/pages.rs"]
mod pages;

#[test]
fn every_page_of_the_gallery_has_the_schemas_shape() {
    let schema = serde_json::from_str(include_str!("../../../wit/plugin/page.schema.json"));
    let schema = jsonschema::validator_for(&schema.unwrap()).unwrap();
    let all: [Page; 6] = [
        pages::home(),
        pages::market(),
        pages::apply(),
        bench::queue(),
        bench::detail(),
        bench::model(),
    ];
    for page in all {
        let title = page.title.clone();
        let document = serde_json::to_value(page).unwrap();
        let faults: Vec<String> = schema
            .iter_errors(&document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(faults, [""; 0], "{title}");
    }
}
