//! The object that nobody may touch, and whether somebody did.

use std::path::PathBuf;

use integration_tests::{Client, Response, Server};

use crate::ways::{Effect, LEFT_BEHIND, WAYS, Way};

/// What lies in it.
pub(crate) const CONTENT: &str = "what nobody may see or touch";
/// What lies beside it, and is stored in its place.
pub(crate) const LONGER: &str = "something else, which is a good deal longer than that";

/// A store with the object.
pub(crate) struct Target {
    pub(crate) server: Server,
    /// Who administers the account, and may do everything as long as nothing stands in front.
    pub(crate) owner: Client,
    /// Who administers the store.
    pub(crate) admin: Client,
}

/// All that can be seen of an object on the disk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    bytes: Vec<u8>,
    attributes: Vec<u8>,
}

impl Target {
    pub(crate) async fn new(server: Server) -> Self {
        let owner = server.tester().await;
        owner.put("c", "").await.expect(201);
        owner.put("c/o", CONTENT).await.expect(201);
        owner.put("c/longer", LONGER).await.expect(201);
        Self::of(server).await
    }

    /// The same store, started anew.
    pub(crate) async fn of(server: Server) -> Self {
        let owner = server.tester().await;
        let admin = server.admin().await;
        Self {
            owner,
            admin: admin.at_account("AUTH_test"),
            server,
        }
    }

    fn on_disk(&self, name: &str) -> PathBuf {
        self.server.objects().join("AUTH_test/c").join(name)
    }

    pub(crate) fn seen(&self) -> Seen {
        let file = self.on_disk("o");
        let mut attributes = vec![0; 8192];
        let length = rustix::fs::getxattr(&file, "user.stobj", &mut attributes[..]);
        attributes.truncate(length.expect("an object has attributes"));
        Seen {
            bytes: std::fs::read(file).expect("the object is there"),
            attributes,
        }
    }

    /// The object is what it was, and nothing of it is elsewhere.
    pub(crate) fn expect_untouched(&self, before: &Seen, cell: &str) {
        assert_eq!(self.seen(), *before, "{cell}");
        for name in LEFT_BEHIND {
            assert!(!self.on_disk(name).exists(), "{cell}: {name} was made");
        }
    }

    /// Tries all ways; `expected` says what is answered to those that do this, or that they are let through.
    pub(crate) async fn try_all(
        &self,
        client: &Client,
        decorate: impl Fn(integration_tests::client::Request) -> integration_tests::client::Request,
        expected: impl Fn(Effect) -> Option<u16>,
    ) {
        let before = self.seen();
        for way in WAYS {
            let refused = expected(way.effect);
            if refused.is_none() && matches!(way.effect, Effect::Stores | Effect::Changes) {
                continue;
            }
            let response = decorate((way.request)(client)).await;
            expect_cell(way, &response, refused);
            self.expect_untouched(&before, way.name);
        }
    }
}

fn expect_cell(way: &Way, response: &Response, refused: Option<u16>) {
    let (name, status) = (way.name, response.status());
    match (way.effect, refused) {
        // Whatever it is taken for: it does nothing to the object, and shows nothing of it.
        (Effect::Nothing, _) => assert!(status < 500, "{name}: {status}"),
        (_, Some(refused)) => assert_eq!(status, refused, "{name}"),
        (_, None) => assert!(status < 400, "{name}: {status}"),
    }
    let shows = response.text().contains(&CONTENT[..6]);
    let may_show = refused.is_none() && way.effect == Effect::Reads;
    assert!(may_show || !shows, "{name} shows the object");
}
