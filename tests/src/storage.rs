//! What lies on the disk of a store where nobody but the server looks.

use std::path::Path;

use crate::cluster::until;

/// Waits until nothing lies in these of the private directories; `objects` is where the accounts' directories are.
pub async fn until_empty(objects: &Path, directories: &[&str]) {
    for directory in directories {
        let directory = objects.join(".stobj").join(directory);
        until(&format!("nothing lies in {}", directory.display()), || async {
            let mut entries = std::fs::read_dir(&directory).expect("the server has made it");
            entries.next().is_none()
        })
        .await;
    }
}
