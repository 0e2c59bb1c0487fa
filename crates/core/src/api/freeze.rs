//! `Freeze`: nothing starts while it is active.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bootstrap::AccountSelection, plan::Operation};
use crate::words::Span;

/// While it is active no change starts in what it covers; what runs already runs to its end. Without times and schedule
/// it is active as long as it is there.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "stackgate.dev",
    version = "v1alpha1",
    kind = "Freeze",
    plural = "freezes",
    shortname = "frz",
    category = "stackgate",
    status = "FreezeStatus",
    derive = "PartialEq",
    printcolumn(
        name = "Active",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Active")].status"#
    ),
    printcolumn(name = "Until", type_ = "string", json_path = ".status.untilTime"),
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextTime"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(
    validation = Rule::new("!has(self.schedule) || (!has(self.startTime) && !has(self.endTime))")
        .message("a schedule takes the place of startTime and endTime")
)]
#[x_kube(
    validation = Rule::new("!has(self.startTime) || !has(self.endTime) || self.startTime < self.endTime")
        .message("startTime must be before endTime")
)]
#[serde(rename_all = "camelCase")]
pub struct FreezeSpec {
    /// Why; shown wherever a change waits for it.
    #[schemars(length(min = 1, max = 200))]
    pub reason: String,
    /// From when on. Absent: at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Until when. Absent: until it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<FreezeSchedule>,
    /// Only changes that touch one of these accounts. Absent: every account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountSelection>,
    /// Only changes of Stages in these namespaces. Absent: every namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Option<Vec<String>>,
    /// Operations that may start all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allow: Vec<Operation>,
}

/// When a freeze begins, again and again, and how long it lasts each time.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.duration.matches('[1-9]')").message("a duration of nothing freezes nothing"))]
#[serde(rename_all = "camelCase")]
pub struct FreezeSchedule {
    /// When it begins: minute, hour, day of the month, month, day of the week, as in crontab.
    #[schemars(length(min = 9, max = 128))]
    pub cron: String,
    /// How long it lasts, such as `62h`.
    pub duration: Span,
    /// A name of the IANA time zone database, such as `Australia/Sydney`. Absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+/-]+$"))]
    pub time_zone: Option<String>,
}

/// Whether it is active.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct FreezeStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`: whether it can be understood; `Active`: whether it holds changes up now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When it ends, while it is active; absent where it ends with the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_time: Option<Time>,
    /// When it begins, while it is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_time: Option<Time>,
}
