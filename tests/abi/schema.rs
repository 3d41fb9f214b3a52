//! `include/refit.schema.json` is what schemars makes of the documents' structs. `make schema` writes it.

use refit::{container, image, service, volume};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::header::current;
use crate::{arguments, prototypes};

/// The document of each call.
macro_rules! documents {
    ($($call:literal: $document:ty,)*) => {
        fn schema() -> Value {
            let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
            let calls = [$(($call, generator.subschema_for::<$document>().to_value()),)*];
            let mut definitions = generator.take_definitions(true);
            for (call, reference) in calls {
                definitions.entry(call).or_insert(reference);
            }
            definitions.sort_keys();
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "The documents of refit",
                "description": "The out_json of a call is described under the call's name in $defs. Fields may be added, none is renamed.",
                "$defs": definitions,
            })
        }
    };
}

documents! {
    "refit_error_json": refit::ErrorDocument,
    "refit_engine_info": refit::EngineInfo,
    "refit_history_list": refit::History,
    "img_list": image::ImageList,
    "img_info": image::ImageInfo,
    "img_history": image::ImageHistory,
    "img_status": image::ImageStatus,
    "img_missing": image::MissingImages,
    "img_containers": image::ImageContainers,
    "img_check_update": image::Check,
    "img_check_updates": image::CheckList,
    "img_pull": image::PullResult,
    "img_plan_update": image::UpdatePlan,
    "img_update": image::UpdateReport,
    "img_update_all": image::UpdateList,
    "img_rollback": image::RollbackReport,
    "img_remove_old": image::RemovedOld,
    "container_list": container::ContainerList,
    "container_status": container::ContainerStatus,
    "container_info": container::ContainerInfo,
    "container_create": container::CreatedContainer,
    "container_start": container::ContainerChanged,
    "container_stop": container::ContainerChanged,
    "container_restart": container::ContainerChanged,
    "container_remove": container::ContainerChanged,
    "container_wait": container::ContainerExit,
    "container_logs": container::ContainerLogs,
    "container_follow_logs": container::FollowedLogs,
    "container_raw_logs": container::FollowedLogs,
    "container_exec": container::Executed,
    "container_stats": container::ContainerStats,
    "container_recreate": container::Recreation,
    "container_recover": container::Recovery,
    "volume_list": volume::VolumeList,
    "volume_create": volume::VolumeChanged,
    "volume_remove": volume::VolumeChanged,
    "volume_list_files": volume::VolumeFiles,
    "volume_write_file": volume::FileChanged,
    "volume_remove_file": volume::FileChanged,
    "volume_export": volume::Exported,
    "volume_import": volume::FileChanged,
    "volume_backup": volume::VolumeBackup,
    "volume_restore": volume::VolumeRestore,
    "service_list": service::ServiceList,
    "service_check_update": service::ServiceCheck,
    "service_update": service::ServiceUpdate,
}

#[test]
fn the_schema_is_current() {
    let text = format!("{:#}\n", schema());
    current("refit.schema.json", text.as_bytes(), "make schema");
}

#[test]
fn every_document_has_its_schema() {
    let schema = schema();
    let has = |function: &&prototypes::Function| schema["$defs"].get(&function.name).is_some();
    let with_document = |function: &&prototypes::Function| function.parameters.iter().any(|parameter| parameter.name == "out_json");
    let functions = prototypes::functions();
    let missing: Vec<_> = functions
        .iter()
        .filter(with_document)
        .filter(|function| !has(function) && !arguments::unsupported().contains(&function.name))
        .map(|function| &function.name)
        .collect();
    assert!(missing.is_empty(), "calls with a document that the table above does not have: {missing:?}");
}
