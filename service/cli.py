"""One command, `setpoint`: run the service, its worker and the sandbox; keys, clients, issuers, EHRs, outbox; checks."""

import typer

from service.commands import baseline, clients, ehrs, genes, issuers, keys, loading, medicines, outbox, running, scales, showing, validating

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help="Setpoint, a FHIR R4 service for personalised psychiatry.")
app.command("migrate")(running.migrate)
app.command("serve")(running.serve)
app.command("worker")(running.worker)
app.command("demo")(running.demo)
app.command("sandbox")(running.sandbox)
app.command("openapi")(showing.openapi)
app.command("settings")(showing.settings)
app.command("check")(showing.check)
app.command("validate")(validating.validate)
app.command("import")(loading.import_)
app.command("export")(loading.export)
app.command("reindex")(loading.reindex)
app.add_typer(scales.app, name="scales", help="The rating scales: list, show, score, change, expected.")
app.add_typer(genes.app, name="genes", help="Genotypes: interpret.")
app.add_typer(medicines.app, name="medicines", help="Medicines: stage treatment resistance.")
app.add_typer(baseline.app, name="baseline", help="The person's own baseline: recompute, explain, fit.")
app.add_typer(keys.app, name="keys", help="Our signing keys.")
app.add_typer(clients.app, name="clients", help="Backend clients that may ask for tokens here.")
app.add_typer(issuers.app, name="issuers", help="Issuers whose bearer tokens are accepted.")
app.add_typer(ehrs.app, name="ehr", help="EHRs that suggestions are delivered to.")
app.add_typer(outbox.app, name="outbox", help="Deliveries: waiting, dead, withheld.")


if __name__ == "__main__":
    app()
