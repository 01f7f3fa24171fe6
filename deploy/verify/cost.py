"""What a run costs, by the list prices of us-east-1 that docs/deploy-cost.md has."""

TASK_HOUR = 0.25 * 0.04048 + 0.5 * 0.004445 + 0.005  # a quarter of a vCPU, half a GB, a public address
KEY_HOUR = 1 / 730
ALARMS_HOUR = (2.00 + 3.60 + 9.00) / 730  # alarms, the worker's metrics, Container Insights
REQUEST = 3.50 / 1_000_000
MESSAGE = 1.20 / 1_000_000


def estimate(seconds, most_tasks, requests, messages):
    """Dollars, as if the most tasks had run all the time."""
    return seconds / 3600 * (most_tasks * TASK_HOUR + KEY_HOUR + ALARMS_HOUR) + requests * REQUEST + messages * MESSAGE


def line(seconds, most_tasks, requests, messages):
    """The sum in a sentence."""
    dollars = estimate(seconds, most_tasks, requests, messages)
    return f"cost: at most about ${dollars:.2f} ({seconds / 60:.0f} minutes, {most_tasks} task(s), {requests} requests; list prices, held against no bill)"
