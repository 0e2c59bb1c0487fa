//! What `docs/who-may.md` and the smaller pages say works when it is typed.

use std::{fs, process::Command};

use anyhow::{Context, Result, ensure};
use stackgate_testbed::{
    User::{self, Admin, Alice},
    repository,
};

use crate::{call::stage, objects, world::World};

/// The blocks of one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
}

/// The words of a command line; single quotes hold words together.
fn words(line: &str) -> Vec<String> {
    line.split('\'')
        .enumerate()
        .flat_map(|(n, part)| {
            if n % 2 == 1 {
                vec![part.to_owned()]
            } else {
                part.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}

pub async fn every_command_works(world: &World) -> Result<()> {
    let text = fs::read_to_string(repository().join("docs/who-may.md"))?;
    let uid = world.uid(stage("prod")).await?;
    let plan = objects::plan("prod-3f9c", "Stage", "prod", &uid, &format!("c1-{}", "3f9c".repeat(10)));
    world.make_plan(plan).await?;
    let can = |who: &str, group: &str, verb: &str, what: &str| -> Result<bool> {
        // Of a Bootstrap kubectl would ask for the right in a namespace, which counts for nothing.
        let place = if ["bootstraps", "awsaccounts", "freezes"].iter().any(|kind| what.starts_with(kind)) {
            "--all-namespaces"
        } else {
            "--namespace=shop"
        };
        let args = ["auth", "can-i", verb, what, place, "--as", who, "--as-group", group];
        Ok(world.admin().output(&args, "")?.ok)
    };
    ensure!(!can("olga", "shop-owners", "approve", "stages.stackgate.dev/prod")?);

    // A comment of the shell is none of the command's words.
    let lines: Vec<String> = blocks(&text, "sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let commands: Vec<Vec<String>> = lines
        .iter()
        .filter(|line| line.starts_with("kubectl "))
        .map(|line| words(line.split(" #").next().unwrap()))
        .collect();
    ensure!(commands.len() == 11, "{} commands: {commands:#?}", commands.len());
    for command in &commands {
        // As the page says: before Kubernetes 1.36 people sign by hand.
        let unsigned = |word: &str| !world.signs && word.starts_with("gate.stackgate.dev/");
        let words: Vec<String> = command
            .iter()
            .skip(1)
            .map(|word| if unsigned(word) { format!("{word};by=alice") } else { word.clone() })
            .collect();
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        // Alice decides on Stages; the administrator may all the rest.
        let who =
            if ["prod-3f9c", "stages.stackgate.dev/prod", "whoami"].iter().any(|word| args.contains(word)) {
                Alice
            } else {
                Admin
            };
        world.cluster.kubectl(who).run(&args).with_context(|| command.join(" "))?;
    }
    for role in blocks(&text, "yaml") {
        world.apply(&role)?;
    }
    who_approves_dev_reads_what_that_takes(world)?;

    for (who, group, verb, what, may) in [
        ("olga", "shop-owners", "approve", "stages.stackgate.dev/prod", true),
        ("olga", "shop-owners", "ack-iam", "stages.stackgate.dev/prod", true),
        ("olga", "shop-owners", "setgate", "stages.stackgate.dev/prod", false),
        ("olga", "shop-owners", "patch", "stages.stackgate.dev/prod", false),
        ("olga", "shop-owners", "list", "awsaccounts.stackgate.dev", true),
        ("olga", "shop-owners", "list", "freezes.stackgate.dev", true),
        ("olga", "shop-owners", "patch", "freezes.stackgate.dev", false),
        ("sue", "nobody", "list", "freezes.stackgate.dev", false),
        ("olga", "shop-owners", "approve", "bootstraps.stackgate.dev/acme", false),
        ("otto", "shop-developers", "patch", "stages.stackgate.dev/prod", true),
        ("otto", "shop-developers", "approve", "stages.stackgate.dev/prod", false),
        ("otto", "shop-developers", "patch", "changeplans.stackgate.dev/prod-3f9c", false),
        ("paul", "platform", "setgate", "stages.stackgate.dev/prod", true),
        ("paul", "platform", "override", "bootstraps.stackgate.dev/acme", true),
        ("paul", "platform", "approve", "stages.stackgate.dev/prod", false),
        ("sue", "security", "approve", "bootstraps.stackgate.dev/acme", true),
        (User::Robot.name(), "system:authenticated", "check", "stages.stackgate.dev/prod", true),
    ] {
        ensure!(can(who, group, verb, what)? == may, "{who} of {group}, {verb} on {what}: not {may}");
    }
    Ok(())
}

/// The commands of the pages on taking over, parameters and outputs: the administrator gives the rights, and they are what it takes.
pub async fn the_smaller_pages_work(world: &World) -> Result<()> {
    let controller = "--as=system:serviceaccount:stackgate-system:stackgate";
    let may = |verb: &str, what: &str| -> Result<bool> {
        Ok(world.admin().output(&["auth", "can-i", verb, what, "-n", "shop", controller], "")?.ok)
    };
    ensure!(!may("create", "configmaps")? && !may("get", "secrets/database")?);
    world.admin().run(&[
        "-n",
        "shop",
        "create",
        "secret",
        "generic",
        "database",
        "--from-literal=password=x",
    ])?;
    let mut run = 0;
    for page in ["adopt", "outputs", "parameters"] {
        let text = fs::read_to_string(repository().join(format!("docs/{page}.md")))?;
        for line in blocks(&text, "sh").iter().flat_map(|block| block.lines()) {
            let words = words(line.split(" #").next().unwrap());
            let args: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
            ensure!(words.first().is_some_and(|word| word == "kubectl"), "{page}: {line}");
            world.admin().run(&args).with_context(|| line.to_owned())?;
            run += 1;
        }
    }
    ensure!(run == 4, "{run} commands");
    ensure!(may("create", "configmaps")? && may("get", "secrets/database")?);
    let policy = ["-n", "shop", "get", "cdkstage", "prod", "-o", "jsonpath={.spec.adoptionPolicy}"];
    ensure!(world.admin().run(&policy)? == "Unowned");
    let label = ["-n", "shop", "get", "secret", "-l", "stackgate.dev/parameters=true", "-o", "name"];
    ensure!(world.admin().run(&label)?.trim() == "secret/database");
    // The command of the README for those without helm is the one of the page that is run (`tests/cli`).
    let readme = fs::read_to_string(repository().join("README.md"))?;
    let whole = fs::read_to_string(repository().join("docs/who-may.md"))?;
    let install = "kubectl apply --server-side -f crds/ -f deploy/";
    ensure!(readme.contains(&format!("{install}    #")) && whole.contains(&format!("`{install}`")));
    Ok(())
}

/// The role in the text, bound to somebody who has nothing else, is enough for what the command line shows before anybody decides.
fn who_approves_dev_reads_what_that_takes(world: &World) -> Result<()> {
    let args = ["create", "rolebinding", "dan", "-n", "shop", "--role=approve-dev", "--user=dan"];
    world.admin().run(&args)?;
    for (args, says) in [(["status", "--as=dan"].as_slice(), "dev"), (&["plan", "dev", "--as=dan"], "dev")] {
        let output = Command::new(env!("CARGO_BIN_EXE_stackgate"))
            .args(["-n", "shop"])
            .args(args)
            .env("KUBECONFIG", world.cluster.kubeconfig(Admin))
            .output()?;
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        ensure!(!said.contains("cannot") && said.contains(says), "{args:?}: {said}");
    }
    let can = |verb: &str, what: &str| -> Result<bool> {
        Ok(world.admin().output(&["auth", "can-i", verb, what, "-n", "shop", "--as", "dan"], "")?.ok)
    };
    ensure!(can("approve", "stages.stackgate.dev/dev")? && can("patch", "changeplans.stackgate.dev")?);
    ensure!(!can("approve", "stages.stackgate.dev/prod")? && !can("patch", "stages.stackgate.dev/dev")?);
    Ok(())
}
