"""The same fixture with a synchronous driver: psycopg 3 or psycopg2, as DATABASE_URL says."""

import os

import pytest
from models import Base, Lead
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session


@pytest.fixture
def session():
    engine = create_engine(os.environ["DATABASE_URL"])
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    Base.metadata.drop_all(engine)
    engine.dispose()


def test_leads_can_be_counted(session: Session):
    assert session.scalar(select(func.count()).select_from(Lead)) >= 0
