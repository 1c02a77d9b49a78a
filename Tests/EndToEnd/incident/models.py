"""The application of the incident: eleven tables, some hanging on others."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Numbered:
    id: Mapped[int] = mapped_column(primary_key=True)


class Account(Numbered, Base):
    __tablename__ = "accounts"
    name: Mapped[str] = mapped_column(unique=True)


class User(Numbered, Base):
    __tablename__ = "users"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    email: Mapped[str] = mapped_column(unique=True)


class Lead(Numbered, Base):
    __tablename__ = "leads"
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    name: Mapped[str]
    score: Mapped[int] = mapped_column(server_default="0")


class Contact(Numbered, Base):
    __tablename__ = "contacts"
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"))
    phone: Mapped[str | None]


class Campaign(Numbered, Base):
    __tablename__ = "campaigns"
    title: Mapped[str]
    starts_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Membership(Base):
    __tablename__ = "campaign_leads"
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id"), primary_key=True)


class Product(Numbered, Base):
    __tablename__ = "products"
    title: Mapped[str]
    price: Mapped[Decimal]


class Order(Numbered, Base):
    __tablename__ = "orders"
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    placed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class OrderLine(Base):
    __tablename__ = "order_lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), primary_key=True)
    quantity: Mapped[int]


class Invoice(Numbered, Base):
    __tablename__ = "invoices"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    total: Mapped[Decimal]


class Note(Numbered, Base):
    __tablename__ = "notes"
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    text: Mapped[str]
