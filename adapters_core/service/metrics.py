"""What the service counts and times, in Prometheus's format; each service has its own registry."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """The service's meters."""

    def __init__(self) -> None:
        """Start every meter at zero."""
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter(
            "ringi_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.seconds = Histogram(
            "ringi_request_seconds", "Time to the last byte.", ("route",), buckets=_SECONDS, registry=registry
        )
        self.running = Gauge("ringi_requests_running", "Requests being answered.", registry=registry)
        self.queued = Gauge("ringi_queue_length", "Requests waiting for the model.", registry=registry)
        self.refused = Counter("ringi_refusals", "Requests refused, by code.", ("code",), registry=registry)
        self.steps = Counter("ringi_decode_steps", "Steps of decoding.", registry=registry)
        self.batch_rows = Histogram(
            "ringi_batch_rows", "Answers decoded together.", buckets=(1, 2, 4, 8, 16, 32, 64), registry=registry
        )
        self.first_token_seconds = Histogram(
            "ringi_first_token_seconds", "Time to an answer's first token.", buckets=_SECONDS, registry=registry
        )
        self.prompt_tokens = Counter("ringi_prompt_tokens", "Tokens of prompts read.", ("adapted",), registry=registry)
        self.answer_tokens = Counter("ringi_answer_tokens", "Tokens of answers.", ("adapted",), registry=registry)
        self.generations = Counter("ringi_generations", "Adapters made.", ("kind", "batched"), registry=registry)
        self.context_tokens = Counter("ringi_context_tokens", "Tokens of contexts encoded.", registry=registry)
        self.generation_seconds = Histogram(
            "ringi_generation_seconds", "Time to an adapter.", ("kind",), buckets=_SECONDS, registry=registry
        )
        self.resident = Gauge("ringi_adapters_resident", "Adapters held on the model's device.", registry=registry)
        self.loads = Counter("ringi_adapter_loads", "Adapters read, by outcome.", ("outcome",), registry=registry)

    def text(self) -> bytes:
        """All meters, as Prometheus reads them."""
        return generate_latest(self._registry)
