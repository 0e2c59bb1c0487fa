//! `kubectl stackgate` against a real API server.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

mod divided;
mod docs;
mod reading;
mod recorded;
mod recorder;
mod signing;
mod turning_back;
mod values;
mod world;

use std::sync::Arc;

use anyhow::Result;

/// One server for all: each part uses Stages of its own.
#[tokio::test(flavor = "multi_thread")]
async fn people_work_with_plans() -> Result<()> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let w = Arc::new(world::world().await?);
    signing::an_approval_carries_name_and_acks(&w).await?;
    signing::what_is_printed_for_kubectl_alone_is_taken(&w).await?;
    signing::without_a_terminal_all_is_said_on_the_command_line(&w).await?;
    signing::another_id_is_refused(&w).await?;
    signing::each_risk_is_asked_for(&w).await?;
    signing::what_has_changed_since_it_was_shown_is_not_signed(&w).await?;
    signing::a_superseded_plan_is_not_signed(&w).await?;
    signing::a_plan_that_can_never_run_is_not_signed(&w).await?;
    signing::whoever_may_not_is_told_who_can_help(&w).await?;
    signing::a_difficult_name_is_signed_and_a_program_signs_nothing(&w).await?;
    signing::on_the_stage_the_slot_names_the_change(&w).await?;
    signing::stops_need_no_second_look(&w).await?;
    reading::all_of_it_is_shown_with_the_rights_that_there_are(&w).await?;
    reading::what_the_controller_doubts_is_doubted(&w).await?;
    values::values_are_told_whoever_may_read_them_in_aws(&w).await?;
    turning_back::a_stage_goes_back_and_follows_again(&w).await?;
    turning_back::what_git_manages_is_changed_in_git(&w).await?;
    divided::each_acknowledges_what_they_may(&w).await?;
    recorded::what_is_recorded_is_told(&w).await?;
    docs::every_command_in_the_guide_works(&w).await?;
    docs::every_command_on_the_screens_can_be_typed(&w).await
}
