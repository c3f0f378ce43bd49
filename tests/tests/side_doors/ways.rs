//! The ways in which clients touch an object that is there.

use common::Body;
use http::Method;
use integration_tests::Client;
use integration_tests::client::Request;

use crate::target::{CONTENT, LONGER};

/// What a way would do with the object, or for the caller, if nothing stood in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Shows bytes or properties.
    Reads,
    /// Stores more bytes than there were.
    Stores,
    /// Changes or removes it, and stores no bytes.
    Changes,
    /// Shows names of the container or the account, and counters.
    Lists,
    /// Shows who did what to it.
    Records,
    /// Means it, in a language of Swift's that no filter speaks here: it must do nothing to it.
    Nothing,
}

/// One way.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) effect: Effect,
    /// The request, by a client of the account.
    pub(crate) request: fn(&Client) -> Request,
}

const fn way(name: &'static str, effect: Effect, request: fn(&Client) -> Request) -> Way {
    Way {
        name,
        effect,
        request,
    }
}

/// All of them. The object is `c/o`; `c/longer` lies beside it, and `c/copy` does not exist.
pub(crate) const WAYS: &[Way] = &[
    way("GET", Effect::Reads, |client| client.get("c/o")),
    way("GET of a range", Effect::Reads, |client| {
        client.get("c/o").header("range", "bytes=0-1")
    }),
    way("GET of ranges", Effect::Reads, |client| {
        client.get("c/o").header("range", "bytes=0-1,3-4")
    }),
    way("GET, if it matches", Effect::Reads, |client| {
        client.get("c/o").header("if-none-match", "\"other\"")
    }),
    way("GET, also if it ran out", Effect::Reads, |client| {
        client.get("c/o").header("x-open-expired", "true")
    }),
    way("HEAD", Effect::Reads, |client| client.head("c/o")),
    way("GET as a manifest", Effect::Reads, |client| {
        client.get("c/o").query("multipart-manifest", "get")
    }),
    way("COPY from it", Effect::Stores, |client| {
        client.copy("c/o", "c/copy")
    }),
    way(
        "COPY from it into the same account, by name",
        Effect::Stores,
        |client| {
            client
                .copy("c/o", "c/copy")
                .header("destination-account", "AUTH_test")
        },
    ),
    way("PUT that copies from it", Effect::Stores, |client| {
        client.put("c/copy", "").header("x-copy-from", "/c/o")
    }),
    way("PUT that copies from it, by account", Effect::Stores, |client| {
        let put = client.put("c/copy", "").header("x-copy-from", "/c/o");
        put.header("x-copy-from-account", "AUTH_test")
    }),
    way("COPY onto it", Effect::Stores, |client| {
        client.copy("c/longer", "c/o")
    }),
    way("PUT that copies onto it", Effect::Stores, |client| {
        client.put("c/o", "").header("x-copy-from", "/c/longer")
    }),
    way("PUT", Effect::Stores, |client| client.put("c/o", LONGER)),
    way("PUT in chunks", Effect::Stores, |client| {
        let chunks = futures::stream::iter(LONGER.as_bytes().chunks(7));
        let frames = futures::StreamExt::map(chunks, |chunk| {
            Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from_static(chunk)))
        });
        let body = Body::new(http_body_util::StreamBody::new(frames));
        client.put("c/o", "").streamed(body)
    }),
    way("PUT, only of a later one", Effect::Stores, |client| {
        client.put("c/o", LONGER).header("x-delete-after", "1000")
    }),
    way("PUT as a manifest", Effect::Stores, |client| {
        let put = client.put("c/o", LONGER);
        put.query("multipart-manifest", "put")
    }),
    way("PUT of the object below it", Effect::Stores, |client| {
        client.put("c/o/below", LONGER)
    }),
    way("POST", Effect::Changes, |client| {
        client.post("c/o").header("x-object-meta-colour", "red")
    }),
    way("POST of a time to end", Effect::Changes, |client| {
        client.post("c/o").header("x-delete-after", "1")
    }),
    way("DELETE when it runs out", Effect::Changes, |client| {
        client.delete("c/o").header("x-if-delete-at", "1")
    }),
    way("DELETE", Effect::Changes, |client| client.delete("c/o")),
    way("DELETE as a manifest", Effect::Changes, |client| {
        client.delete("c/o").query("multipart-manifest", "delete")
    }),
    way("MOVE of it", Effect::Changes, |client| {
        client.rename("c/o", "c/moved")
    }),
    way("MOVE onto it", Effect::Changes, |client| {
        client.rename("c/longer", "c/o")
    }),
    way("GET of the container as a tree", Effect::Lists, |client| {
        client.get("c").query("tree", "true")
    }),
    way("a search in the container", Effect::Lists, |client| {
        client.get("c").query("search", "o")
    }),
    way("a search in the account", Effect::Lists, |client| {
        client.get("").query("search", "o")
    }),
    way("GET of the container", Effect::Lists, |client| client.list("c")),
    way("HEAD of the container", Effect::Lists, |client| client.head("c")),
    way("GET of the account", Effect::Lists, |client| client.list("")),
    way("HEAD of the account", Effect::Lists, |client| client.head("")),
    way("GET of the account's records", Effect::Records, |client| {
        client.get("").query("records", "")
    }),
    way("DELETE of the container", Effect::Nothing, |client| {
        client.delete("c")
    }),
    way("a bulk DELETE", Effect::Nothing, |client| {
        let target = format!("{}?bulk-delete", client.base());
        let request = client.request_at(Method::POST, &target).body("c/o\n");
        request.header("content-type", "text/plain")
    }),
    way("a bulk upload", Effect::Nothing, |client| {
        let request = client.put("c", "not a tar file").query("extract-archive", "tar");
        request.header("content-type", "application/x-tar")
    }),
    way("a form", Effect::Nothing, |client| {
        let form =
            "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"o\"\r\n\r\nforged\r\n--x--\r\n";
        let request = client.request(Method::POST, "c").body(form);
        request.header("content-type", "multipart/form-data; boundary=x")
    }),
    way("a temporary URL", Effect::Nothing, |client| {
        let signed = client.anonymous().get("c/o").query("temp_url_sig", "00");
        signed.query("temp_url_expires", "9999999999")
    }),
];

/// A way to touch the object as a part of a tree, or over accounts: `c/t/d/o` is the object, `c/t/m/` lies beside its directory, and
/// in the container `k` of the other account lie `t/e/` and `t/p`.
pub(crate) struct TreeWay {
    pub(crate) name: &'static str,
    /// By whom, who is a client of the account.
    pub(crate) request: fn(&Client) -> Request,
    /// Whether more is stored somewhere.
    pub(crate) stores: bool,
    /// Whether its directory is moved away, removed or replaced.
    pub(crate) removes: bool,
}

/// The other account.
pub(crate) const OTHER: &str = "AUTH_test2";

const fn tree_way(
    name: &'static str,
    (stores, removes): (bool, bool),
    request: fn(&Client) -> Request,
) -> TreeWay {
    TreeWay {
        name,
        request,
        stores,
        removes,
    }
}

fn there(request: Request) -> Request {
    request.header("destination-account", OTHER)
}

/// From the other account into this one.
fn here(client: &Client, request: impl Fn(&Client) -> Request) -> Request {
    request(&client.at_account(OTHER)).header("destination-account", "AUTH_test")
}

pub(crate) const TREE_WAYS: &[TreeWay] = &[
    tree_way("COPY of its directory", (true, false), |client| {
        client.copy_directory("c/t/d/", "c/t/copy/")
    }),
    tree_way(
        "COPY of its directory to another account",
        (true, false),
        |client| there(client.copy_directory("c/t/d/", "k/t/copy/")),
    ),
    tree_way("COPY of a directory onto its own", (true, true), |client| {
        client.copy_directory("c/t/m/", "c/t/d/")
    }),
    tree_way(
        "COPY of a directory of another account onto its own",
        (true, true),
        |client| here(client, |client| client.copy_directory("k/t/e/", "c/t/d/")),
    ),
    tree_way("MOVE of its directory", (false, true), |client| {
        client.rename("c/t/d/", "c/t/moved/")
    }),
    tree_way(
        "MOVE of its directory to another account",
        (true, true),
        |client| there(client.rename("c/t/d/", "k/t/moved/")),
    ),
    tree_way("MOVE of it to another account", (true, false), |client| {
        there(client.rename("c/t/d/o", "k/t/moved"))
    }),
    tree_way(
        "MOVE of a directory of another account onto its own",
        (true, true),
        |client| here(client, |client| client.rename("k/t/e/", "c/t/d/")),
    ),
    tree_way(
        "MOVE of an object of another account onto it",
        (true, false),
        |client| here(client, |client| client.rename("k/t/p", "c/t/d/o")),
    ),
    tree_way("DELETE of its directory", (false, true), |client| {
        client.remove_directory("c/t/d/")
    }),
];

/// What a COPY or a PUT would have left.
pub(crate) const LEFT_BEHIND: &[&str] = &["copy", "moved", "o/below"];

const _: () = assert!(LONGER.len() > CONTENT.len());
