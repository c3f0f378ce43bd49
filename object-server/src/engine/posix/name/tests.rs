//! The bijection, both ways.

use super::*;
use proptest::prelude::*;

fn encode(segment: &str, form: Form) -> String {
    let mut path = String::new();
    push(&mut path, segment, form);
    path
}

#[test]
fn plain_names_stay_as_they_are() {
    for name in [
        "a",
        "\u{e4} b.jpg",
        "...",
        ".hidden",
        "a.stobj",
        "~",
        "x+_o",
        "..a",
        "\\",
    ] {
        assert_eq!(encode(name, Form::Plain), name);
        assert_eq!(encode(name, Form::Directory), name);
        assert_eq!(encode(name, Form::Escaped), format!("{name}%o"));
    }
}

#[test]
fn what_no_file_can_be_called_is_escaped() {
    for (name, on_disk) in [
        (".", "%2E"),
        ("..", "%2E."),
        (".stobj", "%2Estobj"),
        (".stobjects", "%2Estobjects"),
        ("100%", "100%25"),
        ("%o", "%25o"),
        ("x%o", "x%25o"),
        ("%_", "%25_"),
        ("%2E", "%252E"),
        ("x%+", "x%25+"),
        ("\0\n\u{7f}", "%00%0A%7F"),
    ] {
        assert_eq!(encode(name, Form::Plain), on_disk);
    }
    assert_eq!(encode("", Form::Directory), "%_");
    assert_eq!(decode("%_", true), Some(("/".to_owned(), Form::Directory)));
}

#[test]
fn foreign_names_are_seen() {
    for name in [
        "%", "%2", "%2e", "%41", "%2Ea", "%2E..", "a%2E", "%o", "%_", "a%_", "a%+", "%25%o%o", "%FF",
        "%C3%A4", "a%0a", ".", "..", ".stobj", "a\n", "a%\u{e4}", "%+5",
    ] {
        assert_eq!(decode(name, false), None, "{name}");
    }
    assert_eq!(decode("a%o", true), None);
    assert_eq!(decode("a%+/b", false), None);
    assert_eq!(decode("", false), None);
    assert_eq!(decode("", true), None);
}

#[test]
fn long_names_are_cut() {
    let x = |count: usize| "x".repeat(count);
    assert_eq!(encode(&x(255), Form::Plain), x(255));
    assert_eq!(encode(&x(256), Form::Plain), format!("{}%+/xxx", x(253)));
    assert_eq!(encode(&x(253), Form::Escaped), format!("{}%o", x(253)));
    assert_eq!(encode(&x(254), Form::Escaped), format!("{}%+/x%o", x(253)));
    assert_eq!(
        encode(&format!("{}%%%", x(251)), Form::Plain),
        format!("{}%+/%25%25%25", x(251))
    );
    assert_eq!(
        encode(&format!("{}\u{1f600}", x(252)), Form::Plain),
        format!("{}%+/\u{1f600}", x(252))
    );
    assert_eq!(encode(&x(1024), Form::Plain).split('/').count(), 5);
}

#[test]
fn no_path_reaches_path_max() {
    for unit in ["/", "./", "%", "\u{1}", "\u{1}/", "../", "\u{1f600}"] {
        let name = common::name::ObjectName::new(unit.repeat(1024 / unit.len())).unwrap();
        let mut path = String::new();
        for segment in name.segments() {
            push(
                &mut path,
                segment.strip_suffix('/').unwrap_or(segment),
                Form::Escaped,
            );
        }
        assert!(path.len() + 3 < 3500, "{unit:?}: {}", path.len());
    }
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        "[%+o_2E5.a\u{0}\u{7f}\u{e4}-]{1,8}",
        "\\.{1,2}(stobj)?[a%.]{0,3}",
        "[a%\u{0}\u{e4}\u{1f600}]{240,420}",
        "[^/]{1,60}",
    ]
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Directory), Just(Form::Plain), Just(Form::Escaped)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(segment in segment(), form in form()) {
        let path = encode(&segment, form);
        let last = path.matches('/').count();
        for (at, part) in path.split('/').enumerate() {
            prop_assert!(part.len() <= COMPONENT_BYTES && !part.is_empty());
            prop_assert!(part != "." && part != ".." && !part.contains('\0'));
            prop_assert_eq!(is_continued(part), at != last);
        }
        let slash = if form == Form::Directory { "/" } else { "" };
        prop_assert_eq!(decode(&path, form == Form::Directory), Some((format!("{segment}{slash}"), form)));
    }

    #[test]
    fn what_is_read_was_written(
        path in prop_oneof!["[%+o_2E5/.as0F\u{e4}]{1,12}", "[%a2E5\u{e4}]{245,256}(%\\+/[a%o.]{1,4})?"],
        is_directory: bool,
    ) {
        if let Some((segment, form)) = decode(&path, is_directory) {
            prop_assert_eq!(form == Form::Directory, is_directory);
            let bare = if is_directory { segment.strip_suffix('/').unwrap() } else { segment.as_str() };
            prop_assert_eq!(encode(bare, form), path);
        }
    }

    #[test]
    fn the_escaped_form_follows_from_the_plain_one(segment in segment()) {
        let plain = encode(&segment, Form::Plain);
        let (before, last) = plain.rsplit_once('/').map_or(("", plain.as_str()), |(before, last)| (before, last));
        let slash = if before.is_empty() { "" } else { "/" };
        prop_assert_eq!(format!("{before}{slash}{}", escaped_of(last)), encode(&segment, Form::Escaped));
        prop_assert!(is_plain(last));
    }

    #[test]
    fn no_two_segments_share_a_place(one in segment(), other in segment(), a in form(), b in form()) {
        let clash = encode(&one, a) == encode(&other, b);
        // Directory and plain file of one name do clash: that is what the escaped form is for.
        let same = one == other && (a == Form::Escaped) == (b == Form::Escaped);
        prop_assert_eq!(clash, same);
    }
}
