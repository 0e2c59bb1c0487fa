//! The policies of the chart on a real API server: every attack is tried by a real user, without the policies, where it succeeds, and
//! with them, where the right one stops it; beside it stands what an honest user does, who gets through.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

mod attempts;
mod builtin;
mod call;
mod crowds;
mod docs;
mod doubts;
mod ends;
mod git;
mod grammar;
mod identity;
mod objects;
mod plans;
mod probes;
mod release;
mod room;
mod setgate;
mod sign;
mod status;
mod stops;
mod world;

use anyhow::Result;

use self::{
    attempts::{Attempt, all_end_as_they_should, all_succeed},
    world::World,
};

/// What holds in every installation.
fn always() -> Vec<Attempt> {
    [
        grammar::attempts(),
        crowds::attempts(),
        identity::attempts(),
        setgate::attempts(),
        stops::attempts(),
        plans::attempts(),
        status::attempts(),
        room::attempts(),
        git::turned_off(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// One API server for all of it: first bare, then as on an old Kubernetes, then as on a new one, then with decisions in git.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_get_around() -> Result<()> {
    let mut world = World::without_policies().await?;
    ends::plant(&world).await?;
    plans::overmanage(&world).await?;
    let everything = [always(), identity::unsigned(), git::turned_on()].concat();
    all_succeed(&world, &everything).await?;

    world.install_policies("1.30.0", &[git::LISTED]).await?;
    all_end_as_they_should(&world, &[always(), identity::unsigned()].concat()).await?;
    probes::each_is_denied(&world).await?;
    probes::the_digests_are_those_of_the_chart(&world, "1.30.0", &[git::LISTED]).await?;
    status::nothing_is_smuggled(&world).await?;
    stops::a_reject_is_kept_until_it_is_recorded(&world).await?;
    plans::field_managers_are_few(&world).await?;
    plans::a_plan_of_2500_changes_is_taken_whole(&world).await?;
    stops::of_many_decisions_in_one_request_each_is_noted(&world).await?;
    stops::the_longest_ledger_can_be_paid_for(&world).await?;
    crowds::nobody_takes_the_room_of_another(&world).await?;
    crowds::nor_do_many(&world).await?;

    let kubernetes = world.kubernetes.clone();
    world.install_policies(&kubernetes, &[git::LISTED]).await?;
    if world.signs {
        sign::is_in_force(&world).await?;
        all_end_as_they_should(&world, &always()).await?;
        sign::people_are_signed_for(&world).await?;
        sign::as_people_type_it(&world).await?;
    }
    docs::every_command_works(&world).await?;
    docs::the_smaller_pages_work(&world).await?;

    world.install_policies(&kubernetes, &[git::LISTED, git::ALLOWED]).await?;
    git::is_in_force(&world).await?;
    if world.signs {
        // By a policy that changes requests.
        doubts::what_comes_meanwhile_stays_unproven(&world, &kubernetes, &[git::LISTED, git::ALLOWED])
            .await?;
    }
    probes::the_controller_sees_how_they_stand(&world, &kubernetes, &[git::LISTED, git::ALLOWED]).await?;
    probes::the_digests_are_those_of_the_chart(&world, &kubernetes, &[git::LISTED, git::ALLOWED]).await?;
    all_end_as_they_should(&world, &git::turned_on()).await?;

    world.cluster.start_controllers()?;
    builtin::nobody_decides_by_a_role_that_every_cluster_has(&world).await?;
    ends::the_types_are_right(&world).await?;
    ends::plans_go_with_their_stage(&world).await?;
    ends::plans_follow_every_way_of_deletion(&world).await?;
    ends::a_plan_that_is_not_as_it_was_written_may_go(&world).await?;
    ends::a_namespace_ends(&world).await?;
    release::an_upgrade_changes_kinds_and_an_uninstall_leaves_them(&world).await
}
