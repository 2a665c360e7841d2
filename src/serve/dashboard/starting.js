// The page of a server whose engine starts: says what it does, and becomes the dashboard as soon as there is one.

const doing = document.getElementById("doing");
async function look() {
  const answer = await fetch("/", { cache: "no-store" }).catch(() => null);
  if (answer?.ok) return location.reload();
  const problem = await fetch("/readyz").then(answer => answer.ok ? null : answer.json()).catch(() => ({ detail: "the server does not answer" }));
  if (problem && doing.textContent !== problem.detail) doing.textContent = problem.detail;
}
setInterval(look, 1000);
