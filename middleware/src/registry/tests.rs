use super::*;
use crate::testing::{Answering, request, responding, text};
use common::{Body, Error};
use http::Response;

fn built(toml: &str) -> (HttpService, Result<(), String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stobj.toml");
    std::fs::write(&path, toml).unwrap();
    let mut config = Config::load(Some(&path), [], []);
    let owner = Answering::with(|_| Err(Error::internal("no owner here")));
    let keyring = Keyring::generate().unwrap();
    let mut context = Context::new(Arc::default(), owner.clone(), keyring, Arc::default());
    let functionalise = |_| responding(|_| Response::new(Body::full("resource")));
    let service = build(&mut config, &mut context, functionalise, owner);
    (service, config.finish().map_err(|mistakes| mistakes.to_string()))
}

#[tokio::test]
async fn the_default_pipeline_is_right_and_answers() {
    let (service, finished) = built("");
    finished.unwrap();
    let response = service.handle(request("GET", "/healthcheck", &[])).await.unwrap();
    assert!(response.headers().contains_key("x-trans-id"));
    assert_eq!(text(response).await, "OK");
    let info = text(service.handle(request("GET", "/info", &[])).await.unwrap()).await;
    assert!(info.contains("\"account_acls\":true"), "{info}");
    assert!(info.contains("\"strict_cors_mode\":true"), "{info}");
}

#[test]
fn all_mistakes_are_told_with_their_line() {
    let toml = "[pipeline]\nguard = []\nsemantic = [\"copy\", \"slo\"]\n[filter.info]\nexpose = 3\n";
    let (_, finished) = built(toml);
    let mistakes = finished.unwrap_err();
    assert_eq!(mistakes.lines().count(), 4, "{mistakes}");
    for part in [
        "stobj.toml:2: [pipeline] guard: \"authorise\" is missing",
        "stobj.toml:2: [pipeline] guard: \"quota\" is missing",
        "stobj.toml:3: [pipeline] semantic: there is no filter \"slo\"",
        "stobj.toml:5: [filter.info] expose",
    ] {
        assert!(mistakes.contains(part), "{mistakes}");
    }
}

#[test]
fn a_section_of_an_absent_filter_is_a_mistake() {
    let toml = "[pipeline]\nprotocol = [\"catch_errors\", \"gatekeeper\", \"listing_formats\", \"auth\"]\n\
                [filter.cors]\nstrict_mode = true\n";
    let (_, finished) = built(toml);
    assert!(finished.unwrap_err().contains("[filter.cors] is not a section"));
}

#[test]
fn names_are_unique() {
    let mut names = NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FILTERS.len());
}

/// The settings in the README, read as `T`, and `T`'s defaults.
fn documented<T: serde::de::DeserializeOwned + Default>(section: &str) -> (T, T) {
    let readme = include_str!("../../README.md");
    let toml = readme
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stobj.toml");
    std::fs::write(&path, toml).unwrap();
    (Config::load(Some(&path), [], []).read(section), T::default())
}

fn assert_documented<T>(section: &str)
where
    T: serde::de::DeserializeOwned + Default + PartialEq + std::fmt::Debug + Serialize,
{
    let (documented, default) = documented::<T>(section);
    assert_eq!(documented, default, "{section}");
    let readme = include_str!("../../README.md");
    let settings = serde_json::to_value(default).unwrap();
    for key in settings.as_object().unwrap().keys() {
        assert!(readme.contains(&format!("\n{key} = ")), "[{section}] {key}");
    }
}

#[test]
fn the_readme_shows_every_setting_with_its_default() {
    assert_documented::<Settings>("pipeline");
    assert_documented::<catch_errors::Settings>("filter.catch_errors");
    assert_documented::<crate::protocol::healthcheck::Settings>("filter.healthcheck");
    assert_documented::<proxy_logging::Settings>("filter.proxy-logging");
    assert_documented::<info::Settings>("filter.info");
    assert_documented::<cors::Settings>("filter.cors");
    assert_documented::<auth::Settings>("filter.auth");
    assert_documented::<guard::record::Settings>("filter.record");
}

#[test]
fn the_readme_shows_every_filter_with_its_reason() {
    let readme = include_str!("../../README.md");
    for filter in FILTERS {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{}` | {} |", filter.name, filter.stack)));
        let row = row.unwrap_or_else(|| panic!("{} has no row", filter.name));
        assert!(row.replace('`', "").contains(filter.because), "{row}");
    }
}
