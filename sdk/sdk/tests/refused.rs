//! Mistakes that do not compile, with the words that say why.

#[test]
fn mistakes_are_refused_where_they_stand() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
