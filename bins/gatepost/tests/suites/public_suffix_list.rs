//! The test cases of the public suffix list: a line is a name and its registrable domain, `null` for none.

use std::fs;

use gatepost_message::reading::registrable;

#[test]
#[ignore = "the suite lies outside this tree"]
fn registrable_domains_are_those_of_the_list() {
    let text = fs::read_to_string(crate::suite("public-suffix-list").join("tests.txt")).expect("the cases");
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("//")) {
        let (name, wanted) = line.split_once(' ').expect("a name and a domain");
        cases += 1;
        let wanted = Some(wanted.trim().to_lowercase()).filter(|wanted| wanted != "null");
        let found = registrable(name).map(str::to_lowercase);
        if found != wanted {
            wrong.push(format!("{name}: wanted {wanted:?}, got {found:?}"));
        }
    }
    println!("public-suffix-list: {} of {cases} cases as wanted", cases - wrong.len());
    assert!(cases >= 78, "only {cases} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
