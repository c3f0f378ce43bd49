//! Rights that filters lend, and the right to limits that goes along with a request.

use common::functional::fs;

use super::*;

#[tokio::test]
async fn a_grant_reaches_no_further_than_its_scope() {
    let world = World::with("", "", "");
    let filter = world.filter();
    let grant = |container: Option<ContainerName>, object_prefix: &str| {
        Authority::Grant(Arc::new(Grant {
            minted_by: "tempurl".to_owned(),
            scope: Scope {
                account: account(),
                container,
                object_prefix: object_prefix.to_owned(),
            },
            actions: vec!["object/head".to_owned(), "container/list".to_owned()],
            on_behalf_of: Caller::Anonymous,
        }))
    };
    let other = ContainerName::new("other").unwrap();
    assert!(ask(&filter, grant(Some(container()), "o"), get()).await.is_ok());
    assert!(ask(&filter, grant(None, ""), get()).await.is_ok());
    assert!(ask(&filter, grant(None, ""), list()).await.is_ok());
    for (grant, action) in [
        (grant(Some(container()), "x"), Action::from(get())),
        (grant(Some(other), ""), get().into()),
        (grant(Some(container()), "o"), delete().into()),
        (grant(Some(container()), "o"), list().into()),
        (grant(None, ""), account_head().into()),
    ] {
        assert_eq!(ask(&filter, grant, action).await.unwrap_err(), 403);
    }
}

#[tokio::test]
async fn who_may_change_limits_is_said_of_what_may_take_them_away() {
    let world = World::with(r#"{"read-write":["b"]}"#, "test3", "test3");
    let remove = || Action::from(fs::RemoveDirectory { path: path("d/") });
    let rename = || {
        Action::from(fs::Move {
            source: path("d/"),
            destination: path("e/"),
            overwrite: true,
        })
    };
    let delete_directory = || {
        Action::from(object::Delete {
            path: path("d/"),
            if_delete_at: None,
        })
    };
    let writer = || user(&["test3", "test3:w"]);
    let actions = || [remove(), rename(), delete_directory()];
    for (caller, may_limit) in [(owner(), true), (user(&["b", "b:x"]), true), (writer(), false)] {
        for action in actions() {
            world.ask(caller.clone(), action).await.unwrap();
            let context = world.contexts.lock().pop().unwrap();
            assert_eq!(context.may_limit, may_limit, "{caller:?}");
        }
    }
    // Neither what a caller says nor a lent right makes it so.
    let grant = Grant {
        minted_by: "tempurl".into(),
        on_behalf_of: owner(),
        scope: Scope {
            account: account(),
            container: Some(container()),
            object_prefix: String::new(),
        },
        actions: vec!["fs/remove_directory".into()],
    };
    let request = Request {
        action: remove(),
        context: RequestContext {
            authority: Authority::Grant(Arc::new(grant)),
            may_limit: true,
            ..context()
        },
        body: Body::empty(),
    };
    world.filter().handle(request).await.unwrap();
    assert!(!world.contexts.lock().pop().unwrap().may_limit);
    world.ask(owner(), delete()).await.unwrap();
    assert!(
        !world.contexts.lock().pop().unwrap().may_limit,
        "nothing is limited there"
    );
}
