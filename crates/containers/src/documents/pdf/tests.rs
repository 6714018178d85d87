//! Small files, by what they say.

use super::*;
use crate::documents::heard::Heard;

fn heard(objects: &str) -> Heard {
    let mut heard = Heard::default();
    read(format!("%PDF-1.7\n{objects}\n%%EOF").as_bytes(), &mut heard);
    heard
}

#[test]
fn an_action_when_opened_is_told_and_a_view_is_none() {
    for (objects, acts) in [
        ("1 0 obj <</OpenAction [3 0 R /XYZ null null 0]>> endobj", false),
        ("1 0 obj <</OpenAction <</S /GoTo /D [3 0 R /Fit]>>>> endobj", false),
        (
            "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj <</S/GoTo/D[3 0 R/Fit]>> endobj",
            false,
        ),
        (
            "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj [3 0 R /Fit] endobj",
            false,
        ),
        (
            "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj <</S/URI/URI(http://e.example)>> endobj",
            true,
        ),
        ("1 0 obj <</Open#41ction <</S /SubmitForm>>>> endobj", true),
        ("1 0 obj <</AA <</O <</S /URI>>>>>> endobj", true),
        ("1 0 obj <</A <</S /URI /URI (http://e.example/)>>>> endobj", false),
        ("1 0 obj <</A <</S /L#61unch /F (cmd.exe)>>>> endobj", true),
    ] {
        assert_eq!(
            heard(objects).marks(),
            if acts { vec![Mark::Action] } else { vec![] },
            "{objects}"
        );
    }
}

#[test]
fn names_count_as_names_only() {
    assert_eq!(
        heard("1 0 obj <</S /J#61vaScript /JS (x)>> endobj").marks(),
        [Mark::Script]
    );
    assert_eq!(
        heard("1 0 obj <</Title (how to write /JavaScript and /Launch)>> endobj").marks(),
        []
    );
    assert_eq!(
        heard("1 0 obj <</Length 11>> stream\n/JavaScript endstream endobj").marks(),
        []
    );
    assert_eq!(heard("% /JavaScript\n1 0 obj <</JavaScripture 1>> endobj").marks(), []);
}

#[test]
fn a_file_within_is_given_with_its_name() {
    let heard = heard(
        "3 0 obj <</Type /EmbeddedFile /Filter [/AHx] /Length 5>> stream\n4d5a> \nendstream endobj \
         4 0 obj <</Type /Filespec /F (a.txt) /UF (\\376\\377\\000r\\000.\\000e\\000x\\000e) /EF <</F 3 0 R>>>> endobj",
    );
    assert_eq!(
        (heard.file("r.exe"), heard.marks()),
        (Some(&b"MZ"[..]), vec![Mark::Embedded])
    );
}

#[test]
fn an_object_is_found_where_only_a_table_leads() {
    for objects in [
        "1 0 obj <</Length 44>> stream\n7 0 obj <</S /JavaScript /JS (x)>> endobj \nendstream endobj",
        "% 7 0 obj <</S /JavaScript>> endobj\n",
        "1 0 obj (7 0 obj <</S /JavaScript>> endobj",
        "1 0 obj (7 0 obj <</S /JavaScript>> endobj) endobj",
    ] {
        assert_eq!(heard(objects).marks(), [Mark::Script], "{objects}");
    }
}

#[test]
fn objects_are_found_in_a_stream_however_it_says_where() {
    for (head, text) in [
        ("/Type /ObjStm /N 1 /First 5 0 R", "7 0 <</S /JavaScript>>"),
        ("/N 1 /First 4", "7 0 <</S /JavaScript>>"),
        ("/Type /ObjStm /N 2 /First 9", "7 0 8 1  (<</S /JavaScript>>)"),
    ] {
        let objects = format!(
            "1 0 obj <<{head} /Length {}>> stream\n{text}\nendstream endobj",
            text.len()
        );
        assert_eq!(heard(&objects).marks(), [Mark::Script], "{objects}");
    }
    let rows = "1 0 obj <</Type /ObjStm /N 1 /First 4 /DecodeParms <</Predictor 12>>>> stream\n7 0 x\nendstream endobj";
    assert_eq!(heard(rows).marks(), [Mark::Damaged]);
}

#[test]
fn a_file_is_whole_and_named_wherever_its_parts_lie() {
    let heard = heard(
        "3 0 obj <</Length 6 0 R>> stream\n\nendstream MZ\nendstream endobj 6 0 obj 13 endobj \
         4 0 obj <</Type /Filespec /F (a.exe) /EF 5 0 R>> endobj 5 0 obj <</F 3 0 R>> endobj",
    );
    assert_eq!(heard.file("a.exe"), Some(&b"\nendstream MZ"[..]));
    // What says elsewhere how it is packed is not given as if it were not packed.
    let mut packed = Heard::default();
    read(
        b"%PDF-1.7\n3 0 obj <</Type /EmbeddedFile /Filter 9 0 R>> stream\nxx\nendstream endobj",
        &mut packed,
    );
    assert_eq!(packed.marks(), [Mark::Unread, Mark::Embedded]);
}

#[test]
fn a_password_is_told() {
    assert_eq!(
        heard("trailer <</Encrypt 9 0 R /Root 1 0 R>>").marks(),
        [Mark::Encrypted]
    );
}

#[test]
fn a_thousand_brackets_are_no_harm() {
    for open in ["<<", "[", "<</A ", "[<<"] {
        heard(&format!("1 0 obj {}", open.repeat(100_000)));
    }
}

#[test]
fn objects_in_one_another_are_not_read_again_and_again() {
    // Each text reaches to the end, so that each object would be all the rest.
    let within = heard(&"1 0 obj (".repeat(20_000));
    assert_eq!(within.marks(), [Mark::Damaged]);
}
