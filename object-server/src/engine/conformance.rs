//! What every engine must do, as checks that run against any.
//!
//! An engine conforms when [`run`] returns; a check that fails panics and names itself in the container it used.

use super::ArcEngine;

mod attributes;
mod basics;
mod beside;
mod build;
mod containers;
mod directories;
mod ground;
#[cfg(test)]
pub(crate) mod model;
mod names;
mod races;
mod removal;
mod renames;
mod repair;
mod trash;

use ground::Ground;
#[cfg(test)]
pub(crate) use ground::Plain;
#[cfg(test)]
pub(crate) use ground::{account_attributes, attributes, container_attributes, properties};

macro_rules! checks {
    ($engine:ident: $($module:ident::{$($check:ident),+ $(,)?})+) => {
        $($(
            let ground = Ground::new(&$engine, concat!(stringify!($module), " ", stringify!($check))).await;
            $module::$check(&ground).await;
            ground.leave_empty().await;
        )+)+
    };
}

/// Runs all checks against an engine, side by side with whatever it holds already, and leaves only accounts behind.
///
/// # Panics
/// When the engine does not conform.
pub async fn run(engine: ArcEngine) {
    checks! { engine:
        basics::{
            what_was_put_is_read,
            what_is_not_there_is_none,
            an_overwrite_replaces,
            ranges_are_read,
            a_refusal_changes_nothing,
            attributes_are_revised,
            a_stage_that_is_dropped_leaves_nothing,
            a_reader_keeps_what_it_opened,
        }
        attributes::{
            attributes_of_any_size_are_kept,
            large_attributes_shrink_and_grow,
            readers_see_attributes_whole,
        }
        names::{
            odd_names_are_names,
            long_segments_are_names,
            deep_names_are_names,
            children_come_in_byte_order,
        }
        beside::{
            objects_stand_beside_directories_in_every_order,
            long_names_stand_beside_directories,
            an_object_is_there_while_directories_come_and_go,
        }
        races::{
            changes_of_many_names_do_not_meet,
            readers_see_old_or_new,
        }
        containers::{
            containers_are_kept,
            only_empty_containers_are_removed,
            odd_container_names_are_names,
            accounts_are_kept,
        }
    }
    of_the_tree(engine).await;
}

async fn of_the_tree(engine: ArcEngine) {
    checks! { engine:
        directories::{
            directories_are_made_and_removed,
            implicit_directories_become_explicit,
            an_object_of_its_own_lies_in_a_directory,
            directories_stand_beside_objects,
            directories_without_a_container_are_none,
            deep_directories_are_directories,
        }
        renames::{
            objects_are_renamed,
            objects_are_renamed_around_directories,
            objects_replace_objects,
            directories_are_renamed_with_all_below,
            directories_replace_directories,
            long_and_odd_names_are_renamed,
            renames_between_containers,
            what_cannot_be_renamed_changes_nothing,
            renames_are_settled,
            readers_see_a_rename_whole,
        }
        trash::{
            detached_directories_are_gone,
            detached_directories_are_settled,
            trash_is_reaped_in_steps,
            the_deepest_directories_are_reaped,
        }
        build::{
            what_is_built_is_seen_when_it_is_attached,
            what_is_attached_replaces,
            builds_are_dropped,
            what_is_built_is_found_replaced_and_removed,
            of_a_build_only_what_is_kept_stays,
            copies_are_refused_or_have_no_source,
            copies_are_whole,
        }
        repair::{
            only_the_same_object_is_adopted,
            only_the_same_object_is_quarantined,
        }
        removal::{
            containers_are_detached_whole,
            accounts_are_removed,
        }
    }
}
