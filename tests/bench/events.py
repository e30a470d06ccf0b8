"""The input of the benchmarks: distinct products, as framed Avro in a topic of their own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from confluent_kafka import Producer

from consumer.stream import schemas
from consumer.stream.codec import SingleObjectCodec
from tests.services import KafkaAddress, unique

PARTITIONS = 4
_TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

_CHINESE = (
    ("appliances", "青屿复古电热水壶", "薄荷绿", ("5分钟快速烧开", "304不锈钢内胆", "三重防干烧保护"), "材质"),
    ("apparel", "云岫真丝碎花连衣裙", "藕粉", ("桑蚕丝面料", "收腰显瘦", "可机洗"), "面料"),
    ("home", "棠木北欧落地灯", "原木色", ("三档调光", "实木灯架", "护眼无频闪"), "材质"),
    ("food", "山野冻干草莓脆", "红色", ("零添加蔗糖", "独立小包装", "酥脆不粘牙"), "净含量"),
    ("toys", "豆豆磁力拼装积木", "彩色", ("圆角防夹手", "食品级材料", "可拼百种造型"), "材质"),
)
_ENGLISH = (
    ("digital", "Brightloom Noise-Cancelling Headphones", "graphite", ("40-hour battery", "Folds flat", "Fast charge")),
    ("sports", "Fennway Trail Running Shoe", "coral", ("Grippy lugged sole", "Breathable mesh", "Reflective trim")),
    ("beauty", "Lumen Hydrating Face Serum", "#F3D9C8", ("Absorbs in seconds", "Fragrance free", "Refillable bottle")),
    ("luggage", "Harrow Cabin Suitcase", "navy", ("Silent spinner wheels", "Shell made of rPET", "Fits overhead")),
    ("jewellery", "Sella Freshwater Pearl Studs", "white", ("Hand-matched pairs", "Sterling silver posts", "Gift box")),
)


def product(number: int) -> dict[str, Any]:
    """Product ``number`` as a decoded event: one of a catalog's usual shapes, its words its own."""
    common = {
        "event_id": f"bench-{number:07d}-r1",
        "occurred_at": _TIME,
        "product_id": f"sku-{number:07d}",
        "revision": 1,
        "images": [{"url": f"https://img.example.com/p/{number:07d}.jpg", "role": "MAIN", "sha256": None}],
        "price": {"amount": Decimal(990 + number % 9000) / 100, "currency": "CNY" if number % 2 else "USD"},
        "tier": ("HOT", "STANDARD", "STANDARD", "LONG_TAIL")[number % 4],
    }
    if number % 2:
        category, name, colour, points, material = _CHINESE[number // 2 % len(_CHINESE)]
        return common | {
            "name": f"{name} {number} 号",
            "category": category,
            "locale": "zh-CN",
            "brand": name[:2],
            "colour": colour,
            "selling_points": [f"{points[0]}，第{number % 997}代", *points[1:]],
            "attributes": {material: "优选", "容量": f"{number % 40}L", "型号": f"M{number}"},
            "tags": [category, "summer"],
        }
    category, name, colour, points = _ENGLISH[number // 2 % len(_ENGLISH)]
    return common | {
        "name": f"{name} {number}",
        "category": category,
        "locale": "en",
        "brand": name.split()[0],
        "colour": colour,
        "selling_points": [f"{points[0]}, generation {number % 997}", *points[1:]],
        "attributes": {"Material": "recycled", "Weight": f"{number % 900} g", "Model": f"M{number}"},
        "tags": [category, "summer"],
    }


def encoded(count: int, topic: str) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of the first ``count`` products, in Avro's single-object encoding."""
    codec = SingleObjectCodec(schemas.load(topics={topic: "product-created"}))
    for number in range(count):
        value = product(number)
        yield value["product_id"].encode(), codec.encode(topic, value)[0]


def publish(kafka: KafkaAddress, count: int) -> str:
    """Fill a new topic with ``count`` product events; gives its name."""
    topic = unique("bench-products")
    kafka.create_topics({topic: PARTITIONS})
    write(kafka.bootstrap, topic, encoded(count, topic))
    return topic


def write(bootstrap: str, topic: str, records: Iterator[tuple[bytes, bytes]]) -> None:
    """Write records and wait until the broker has them all."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50, "enable.idempotence": True, "log_level": 2})
    for key, value in records:
        while True:
            try:
                producer.produce(topic, value, key)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(120)
    if left:
        raise TimeoutError(f"{topic}: {left} records were not taken by the broker")
