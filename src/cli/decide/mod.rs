//! Decisions of a person: shown, asked for, signed on top of exactly what was shown, and watched until they are recorded.

mod acks;
mod explain;
mod may;
mod recorded;
mod sign;

use jiff::Timestamp;
use stackgate_core::{
    api::{Action, RiskClass},
    gate::is_person,
    words::ChangeId,
};

use self::acks::Share;
use super::{
    args::DecideArgs,
    desk::{Desk, Person, is_yes},
    fail::Fail,
    look::Sight,
    named::Named,
    view::{WARN, text},
};

/// What is wanted, apart from on which plan.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What.
    pub action: Action,
    /// The classes that are acknowledged on the command line; `None`: it says nothing of that.
    pub acks: Option<Vec<RiskClass>>,
    /// Until when it counts.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Whether it is written on the Stage.
    pub on_stage: bool,
}

impl Wish {
    /// Nothing but that.
    #[must_use]
    pub fn of(action: Action, reason: Option<String>) -> Self {
        Self { action, acks: None, until: None, reason, on_stage: false }
    }

    /// Whether it lets something run: then whoever signs must have seen what. A stop is never refused because something moved.
    fn opens(&self) -> bool {
        match self.action {
            Action::Approve | Action::Retry | Action::Override => true,
            Action::Reject | Action::Revoke => false,
        }
    }
}

/// What is going to be signed.
#[derive(Clone, Debug)]
struct Order<'a> {
    wish: &'a Wish,
    id: ChangeId,
    acks: Vec<RiskClass>,
    /// Who signs.
    user: &'a str,
    /// That name as it stands in an annotation.
    by: String,
    slot: Option<&'a str>,
}

/// The whole way of a decision.
///
/// # Errors
/// When it is refused: by the person, by the state of the plan, or by the API server.
pub async fn decide(
    desk: &Desk,
    person: &mut impl Person,
    args: &DecideArgs,
    wish: &Wish,
) -> Result<(), Fail> {
    let named = Named::parse(&args.target)?;
    let sight = desk.look(named).await?;
    desk.say(&text(&sight.report, desk.now()))?;
    desk.say("\n")?;
    if let Some(id) = args.id.as_ref().filter(|id| **id != sight.report.id) {
        return Err(Fail::new(format!(
            "the id is {} and not {id}, so nothing was signed: what you read was another plan",
            sight.report.id
        )));
    }
    let user = desk.session.user().await?;
    let by = encoded(&user)?;
    may::may(desk, wish.action, &sight, &by)?;
    let is_bound = args.id.is_some() || named.is_plan(&sight.view.name) || !wish.opens();
    let share = Share::of(&sight, wish, &by);
    if !share.absent.is_empty() {
        let absent = acks::list(&share.absent);
        desk.say(&format!("{WARN}The plan carries no risk of class {absent}: that is not signed{WARN:#}\n"))?;
    }
    let is_said_in_full = args.yes && is_bound && share.is_said();
    if !person.is_there() && !is_said_in_full {
        return Err(unattended(desk, &sight, wish, &share));
    }
    let acks = if is_said_in_full { share.given() } else { share.acknowledge(person)? };
    let taken_back = acks::list(&share.taken_back(&acks));
    if !taken_back.is_empty() {
        desk.say(&format!(
            "{WARN}What you sign now takes the place of your approval, which acknowledges {taken_back} besides: that is taken back{WARN:#}\n"
        ))?;
    }
    // Of a Stage that is named nobody knows before which plan it has: that is asked even so.
    if !(args.yes && is_bound) {
        let question = format!("Sign {} of {} as {user}? [y/N] ", wish.action.as_str(), sight.report.id);
        if !is_yes(&person.ask(&question)?) {
            return Err(Fail::new("nothing was signed: you did not say yes"));
        }
    }
    let id = sight.report.id.clone();
    let order = Order { wish, id, acks, user: &user, by, slot: args.slot.as_deref() };
    let signed = sign::sign(desk, &sight, &order).await?;
    recorded::wait(desk, &sight, &order, &signed, args.wait).await
}

/// What has to be typed where nobody can be asked: the plan by its own name, so that what is signed is what was read.
fn unattended(desk: &Desk, sight: &Sight, wish: &Wish, share: &Share<'_>) -> Fail {
    let mut line: Vec<String> = vec![wish.action.as_str().to_owned(), sight.view.name.clone()];
    let mut flag = |name: &str, value: String| line.extend([name.to_owned(), value]);
    if let Some(acks) = share.proposed() {
        flag("--ack", acks);
    }
    if let Some(until) = wish.until {
        flag("--until", until.to_string());
    }
    if let Some(reason) = &wish.reason {
        flag("--reason", reason.clone());
    }
    if wish.on_stage {
        line.push("--on-stage".to_owned());
    }
    line.push("--yes".to_owned());
    let command = desk.invoked.ours(desk.session.namespace(), &line);
    Fail::new(format!(
        "nothing was signed: there is no terminal to ask at; if you have read the plan: {command}"
    ))
}

/// A user's name as an annotation can hold it.
fn encoded(user: &str) -> Result<String, Fail> {
    if !is_person(user) {
        return Err(Fail::new(format!(
            "nothing was signed: {user} is no person, and programs decide nothing: log in as yourself (`kubectl auth whoami`)"
        )));
    }
    let by = user.replace('%', "%25").replace(';', "%3B");
    if by.chars().any(char::is_control) || by.chars().count() > 256 {
        return Err(Fail::new(format!("the user name {user:?} cannot stand in a signature")));
    }
    Ok(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_so_that_they_are_one_attribute() {
        assert_eq!(encoded("a;b%3B").unwrap(), "a%3Bb%253B");
        assert_eq!(encoded("system:admin").unwrap(), "system:admin");
        assert!(encoded("git:alice").is_err());
        assert!(encoded("system:serviceaccount:ci:bot").is_err_and(|f| f.to_string().contains("no person")));
        assert!(encoded("a\nb").is_err());
    }
}
