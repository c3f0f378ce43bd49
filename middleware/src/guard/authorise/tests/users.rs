//! What touches users, and no resource.

use super::*;

#[tokio::test]
async fn users_are_administrators_business() {
    let world = World::with("", "", "");
    let put = || user::Put {
        account: "test".to_owned(),
        name: "new".to_owned(),
        password: Secret::new("x"),
        groups: vec![],
        email: None,
        only_if_absent: false,
    };
    let fetch = common::functional::policy::Fetch { known_version: 0 };
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    assert_eq!(world.status(owner(), put()).await, 403);
    assert_eq!(world.status(Caller::Anonymous, put()).await, 401);
    assert_eq!(
        world.status(admin(), fetch).await,
        403,
        "verifiers are for servers only"
    );
    let filter = in_front_of_conflict();
    let status = ask(&filter, Authority::Caller(admin()), put()).await.unwrap_err();
    assert_eq!(status, 409);
}

/// The filter before somebody who answers everything that arrives with 409.
fn in_front_of_conflict() -> FunctionalService {
    let inner = Answering::with(|_| Err(Error::conflict("it arrived")));
    functional(Authorise {
        checked: Arc::new(Checked {
            settings: Settings::default(),
            reseller: reseller(),
        }),
        policy: Arc::new(PolicyCache::new(inner.clone())),
        info_cache: Arc::new(InfoCache::new(inner.clone())),
        inner,
    })
}

#[tokio::test]
async fn what_is_ones_own_is_everybodys_business() {
    let filter = in_front_of_conflict();
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    let caller = Authority::Caller;
    let (account, name) = ("test".to_owned(), "tester".to_owned());
    let revoke = || user::Revoke {
        account: account.clone(),
        name: name.clone(),
        token: None,
    };
    let show = |email: Option<&str>| user::Show {
        account: account.clone(),
        name: name.clone(),
        email: email.map(str::to_owned),
    };
    let password = |old: Option<&str>| user::Password {
        account: account.clone(),
        name: name.clone(),
        password: Secret::new("new"),
        old_password: old.map(Secret::new),
    };
    let itself = || user(&["test", "test:tester"]);
    let other = || user(&["test", "test:tester2"]);
    assert_eq!(ask(&filter, caller(itself()), revoke()).await.unwrap_err(), 409);
    assert_eq!(ask(&filter, caller(other()), revoke()).await.unwrap_err(), 403);
    assert_eq!(ask(&filter, caller(itself()), show(None)).await.unwrap_err(), 409);
    assert_eq!(
        ask(&filter, caller(itself()), show(Some("a@b.c")))
            .await
            .unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(itself()), password(Some("old")))
            .await
            .unwrap_err(),
        409
    );
    assert_eq!(
        ask(&filter, caller(itself()), password(None)).await.unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(other()), password(Some("old")))
            .await
            .unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(admin()), password(None)).await.unwrap_err(),
        409
    );
}

#[tokio::test]
async fn who_registers_needs_a_grant() {
    let filter = in_front_of_conflict();
    let caller = Authority::Caller;
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    let (account, name) = ("test".to_owned(), "tester".to_owned());
    let pend = || user::Pend {
        account: account.clone(),
        name: name.clone(),
        email: "a@example.org".to_owned(),
        password: Secret::new("new"),
        only_again: false,
    };
    let grant = |action: &str| {
        Authority::Grant(Arc::new(Grant {
            minted_by: "auth".to_owned(),
            scope: Scope {
                account: AccountName::new("AUTH_test").unwrap(),
                container: None,
                object_prefix: String::new(),
            },
            actions: vec![action.to_owned()],
            on_behalf_of: Caller::Anonymous,
        }))
    };
    assert_eq!(ask(&filter, caller(admin()), pend()).await.unwrap_err(), 403);
    assert_eq!(ask(&filter, grant("user/pend"), pend()).await.unwrap_err(), 409);
    assert_eq!(ask(&filter, grant("user/admit"), pend()).await.unwrap_err(), 401);
    let enable = user::Enable { account, name };
    assert_eq!(ask(&filter, grant("user/enable"), enable).await.unwrap_err(), 401);
}
