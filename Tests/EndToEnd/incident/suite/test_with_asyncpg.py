"""As in the incident: an async fixture that creates all tables before a test and drops all of them after it."""

import os

import pytest_asyncio
from models import Base, Lead
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine


@pytest_asyncio.fixture
async def session():
    engine = create_async_engine(os.environ["DATABASE_URL"])
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        yield session
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await engine.dispose()


async def test_leads_can_be_counted(session: AsyncSession):
    assert await session.scalar(select(func.count()).select_from(Lead)) >= 0
